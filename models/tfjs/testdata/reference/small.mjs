// Makes small models with random weights in TensorFlow.js, saves them in its
// layers format, and notes what they answer to an image of random bytes:
//
//   npm install && node small.mjs ../small
//
// functional/ has every layer that the importer knows, in float32 weights.
// sequential/ is a small VGG, its weights quantised to uint8 and uint16 and cut
// in shards. mobile/ has the layers of MobileNet and its like. nested/ is a model of models,
// as one that was fine-tuned in a browser. graph/ is a graph model, with most operations that
// the importer knows.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';

// noise is xorshift32: the same numbers on every machine.
let state = 2463534242;
function noise() {
  state ^= state << 13; state ^= state >>> 17; state ^= state << 5;
  return (state >>> 0) / 2 ** 32;
}

function functional() {
  const image = tf.input({ shape: [14, 11, 3] });
  const conv = (x, filters, kernelSize, strides, padding, useBias, activation) =>
    tf.layers.conv2d({ filters, kernelSize, strides, padding, useBias, activation }).apply(x);
  let x = conv(image, 5, [3, 2], 2, 'same', false);
  x = tf.layers.batchNormalization({ scale: false, epsilon: 0.01 }).apply(x);
  x = tf.layers.activation({ activation: 'relu' }).apply(x);
  const a = tf.layers.averagePooling2d({ poolSize: 3, strides: 1, padding: 'same' }).apply(x);
  const b = tf.layers.maxPooling2d({ poolSize: 3, strides: 1, padding: 'same' }).apply(x);
  let c = conv(x, 4, [1, 3], 1, 'same', true, 'relu');
  c = tf.layers.batchNormalization({ center: false }).apply(c);
  x = tf.layers.concatenate({ axis: 3 }).apply([a, b, c]);
  x = tf.layers.batchNormalization().apply(x);
  const wide = tf.layers.maxPooling2d({ poolSize: [2, 3] }).apply(x);
  const flat = tf.layers.flatten().apply(wide);
  const mean = tf.layers.globalAveragePooling2d({}).apply(x);
  x = tf.layers.concatenate().apply([flat, mean]);
  x = tf.layers.dropout({ rate: 0.5 }).apply(x);
  x = tf.layers.dense({ units: 6, useBias: false }).apply(x);
  x = tf.layers.batchNormalization().apply(x);
  x = tf.layers.dense({ units: 4, activation: 'softmax' }).apply(x);
  return tf.model({ inputs: image, outputs: x });
}

function sequential() {
  const conv = (filters, more) => tf.layers.conv2d({ filters, kernelSize: 3, padding: 'same', activation: 'relu', ...more });
  return tf.sequential({
    layers: [
      conv(4, { inputShape: [12, 12, 3] }), conv(4), tf.layers.maxPooling2d({ poolSize: 2 }),
      conv(6, { dilationRate: 2 }), tf.layers.maxPooling2d({ poolSize: 2 }),
      tf.layers.flatten(), tf.layers.dense({ units: 10, activation: 'relu' }), tf.layers.dropout({ rate: 0.5 }),
      tf.layers.dense({ units: 3 }),
    ],
  });
}

function mobile() {
  const image = tf.input({ shape: [15, 12, 3] });
  let x = tf.layers.zeroPadding2d({ padding: [[0, 1], [2, 3]] }).apply(image);
  x = tf.layers.conv2d({ filters: 6, kernelSize: 3, strides: 2, useBias: false }).apply(x);
  x = tf.layers.batchNormalization({ epsilon: 0.001 }).apply(x);
  x = tf.layers.reLU({ maxValue: 6 }).apply(x);
  let y = tf.layers.depthwiseConv2d({ kernelSize: 3, padding: 'same', useBias: false }).apply(x);
  y = tf.layers.reLU({}).apply(y);
  y = tf.layers.conv2d({ filters: 6, kernelSize: 1, activation: 'relu6' }).apply(y);
  x = tf.layers.add().apply([x, y]);
  x = tf.layers.depthwiseConv2d({ kernelSize: [3, 2], depthMultiplier: 2, activation: 'relu' }).apply(x);
  x = tf.layers.separableConv2d({ filters: 7, kernelSize: 3, padding: 'same' }).apply(x);
  let gate = tf.layers.globalAveragePooling2d({}).apply(x);
  gate = tf.layers.reshape({ targetShape: [1, 1, 7] }).apply(gate);
  gate = tf.layers.conv2d({ filters: 7, kernelSize: 1, activation: 'sigmoid' }).apply(gate);
  x = tf.layers.multiply().apply([x, gate]);
  x = tf.layers.zeroPadding2d({ padding: 1 }).apply(x);
  x = tf.layers.reshape({ targetShape: [441] }).apply(x);
  x = tf.layers.dense({ units: 5, activation: 'softmax' }).apply(x);
  return tf.model({ inputs: image, outputs: x });
}

function nested() {
  const image = tf.input({ shape: [9, 9, 3] });
  const conv = tf.layers.conv2d({ filters: 4, kernelSize: 3, activation: 'relu' }).apply(image);
  const trunk = tf.model({ inputs: image, outputs: tf.layers.batchNormalization().apply(conv) });
  const features = tf.sequential({ layers: [trunk, tf.layers.globalAveragePooling2d({})] });
  const head = tf.sequential({ layers: [tf.layers.dense({ inputShape: [4], units: 6, activation: 'relu' }), tf.layers.dense({ units: 3, activation: 'softmax', useBias: false })] });
  return tf.sequential({ layers: [features, head] });
}

// randomise sets all weights; variances are positive.
function randomise(model) {
  for (const w of model.weights) {
    const n = w.shape.reduce((a, b) => a * b, 1);
    const fan = w.shape.length > 1 ? n / w.shape.at(-1) : 4;
    const low = w.name.includes('variance') ? 0.2 : -1;
    const values = Float32Array.from({ length: n }, () => (low + (1 - low) * noise()) * Math.sqrt(3 / fan));
    w.write(tf.tensor(values, w.shape));
  }
}

// quantise maps a tensor to uint8 or uint16, as the TensorFlow.js converter does.
function quantise(spec, data, dtype) {
  const values = new Float32Array(data);
  const min = Math.min(...values), max = Math.max(...values);
  const scale = (max - min) / (dtype === 'uint8' ? 255 : 65535);
  const Stored = dtype === 'uint8' ? Uint8Array : Uint16Array;
  spec.quantization = { dtype, min, scale };
  return Buffer.from(Stored.from(values, (v) => Math.round((v - min) / scale)).buffer);
}

async function save(model, dir, quantised) {
  randomise(model);
  let artifacts;
  await model.save(tf.io.withSaveHandler(async (a) => { artifacts = a; return { modelArtifactsInfo: {} }; }));
  const tensors = []; let at = 0;
  for (const spec of artifacts.weightSpecs) {
    const size = 4 * spec.shape.reduce((a, b) => a * b, 1);
    const data = artifacts.weightData.slice(at, at + size); at += size;
    tensors.push(quantised ? quantise(spec, data, spec.shape.length > 1 ? 'uint16' : 'uint8') : Buffer.from(data));
  }
  const bytes = Buffer.concat(tensors);
  const shards = quantised ? [bytes.subarray(0, 333), bytes.subarray(333, 334), bytes.subarray(334)] : [bytes];
  const paths = shards.map((_, i) => `group1-shard${i + 1}of${shards.length}.bin`);

  // What it answers, read back from what is saved.
  const weightData = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
  const back = await tf.loadLayersModel(tf.io.fromMemory({
    modelTopology: artifacts.modelTopology, weightSpecs: artifacts.weightSpecs, weightData,
  }));
  const [, height, width] = back.inputs[0].shape;
  const pixels = Uint8Array.from({ length: 2 * height * width * 3 }, () => noise() * 256);
  const scores = back.predict(tf.tensor4d(Array.from(pixels), [2, height, width, 3]).div(255));

  mkdirSync(dir, { recursive: true });
  shards.forEach((s, i) => writeFileSync(join(dir, paths[i]), s));
  writeFileSync(join(dir, 'model.json'), `${JSON.stringify({
    format: 'layers-model', modelTopology: artifacts.modelTopology,
    weightsManifest: [{ paths, weights: artifacts.weightSpecs }],
  }, null, 1)}\n`);
  writeFileSync(join(dir, 'answer.json'), `${JSON.stringify({
    pixels: Buffer.from(pixels).toString('base64'), scores: await scores.array(),
  }, null, 1)}\n`);
}

console.info = console.warn = () => {};
await tf.setBackend('cpu');
const out = process.argv[2];
await save(functional(), join(out, 'functional'), false);
await save(sequential(), join(out, 'sequential'), true);
await save(mobile(), join(out, 'mobile'), false);
await save(nested(), join(out, 'nested'), false);

// graph writes a graph model, whose nodes are made by hand.
async function graph(dir) {
  const nodes = [], specs = [], parts = [];
  const type = { T: { type: 'DT_FLOAT' } };
  const b64 = (text) => Buffer.from(text).toString('base64');
  const node = (name, op, input, attr = {}) => { nodes.push({ name, op, input, attr: { ...type, ...attr } }); return name; };
  const constant = (name, shape, values, dtype = 'float32') => {
    const n = shape.reduce((a, b) => a * b, 1);
    const low = name.includes('variance') ? 0.3 : -1;
    const data = values ?? Array.from({ length: n }, () => low + (1 - low) * noise());
    specs.push({ name, shape, dtype });
    parts.push(Buffer.from((dtype === 'int32' ? Int32Array : Float32Array).from(data).buffer));
    const tf32 = dtype === 'int32' ? 'DT_INT32' : 'DT_FLOAT';
    nodes.push({ name, op: 'Const', attr: { dtype: { type: tf32 }, value: { tensor: { dtype: tf32, tensorShape: { dim: shape.map((size) => ({ size: String(size) })) } } } } });
    return name;
  };
  const slide = (strides, padding, more = {}) => ({
    strides: { list: { i: ['1', ...strides.map(String), '1'] } }, padding: { s: b64(padding) }, data_format: { s: b64('NHWC') },
    dilations: { list: { i: ['1', '1', '1', '1'] } }, ...more,
  });
  const fused = (...ops) => ({ fused_ops: { list: { s: ops.map(b64) } }, num_args: { i: '1' }, epsilon: { f: 0 } });
  const pool = (size) => ({ ksize: { list: { i: ['1', size, size, '1'] } } });
  let x = node('images', 'Placeholder', [], { dtype: { type: 'DT_FLOAT' }, shape: { shape: { dim: ['-1', '13', '10', '3'].map((size) => ({ size })) } } });
  x = node('scaled', 'Mul', [constant('two', [], [2]), x]);
  x = node('shifted', 'Sub', [x, constant('ones', [1, 1, 1, 3], [1, 0.5, 0.75])]);
  x = node('around', 'Pad', [x, constant('paddings', [4, 2], [0, 0, 1, 2, 0, 1, 0, 0], 'int32')], { Tpaddings: { type: 'DT_INT32' } });
  x = node('conv', 'Conv2D', [x, constant('conv/weights', [3, 2, 3, 4])], slide([2, 1], 'SAME'));
  x = node('biased', 'BiasAdd', [x, constant('conv/bias', [4])]);
  x = node('relu', 'Relu', [x]);
  x = node('norm', 'FusedBatchNormV3', [x, ...['scale', 'offset', 'mean', 'variance'].map((p) => constant(`norm/${p}`, [4]))], {
    epsilon: { f: 0.01 }, is_training: { b: false }, data_format: { s: b64('NHWC') },
  });
  const deep = node('depthwise', 'DepthwiseConv2dNative', [x, constant('depthwise/weights', [3, 3, 4, 2])], slide([1, 1], 'SAME'));
  const wide = node('fused', '_FusedConv2D', [deep, constant('fused/weights', [1, 1, 8, 4]), constant('fused/bias', [4])], slide([1, 1], 'VALID', fused('BiasAdd', 'Relu6')));
  x = node('sum', 'AddV2', [x, wide]);
  const most = node('most', 'MaxPool', [x], slide([2, 2], 'SAME', pool('3')));
  const mean = node('average', 'AvgPool', [x], slide([2, 2], 'SAME', pool('2')));
  x = node('joined', 'ConcatV2', [most, mean, constant('axis', [], [3], 'int32')], { N: { i: '2' }, Tidx: { type: 'DT_INT32' } });
  const row = node('mean', 'Mean', [x, constant('axes', [2], [1, 2], 'int32')], { keep_dims: { b: false }, Tidx: { type: 'DT_INT32' } });
  const gate = node('gate', 'Sigmoid', [node('hidden', '_FusedMatMul', [row, constant('hidden/weights', [8, 8]), constant('hidden/bias', [8])], { transpose_a: { b: false }, transpose_b: { b: false }, ...fused('BiasAdd', 'Relu') })]);
  const scaled = node('gated', 'Mul', [x, node('planes', 'Reshape', [gate, constant('shape', [4], [-1, 1, 1, 8], 'int32')], { Tshape: { type: 'DT_INT32' } })]);
  x = node('flat', 'Reshape', [scaled, constant('rows', [2], [-1, 192], 'int32')], { Tshape: { type: 'DT_INT32' } });
  x = node('scores', 'MatMul', [x, constant('scores/weights', [3, 192])], { transpose_a: { b: false }, transpose_b: { b: true } });
  x = node('named', 'Identity', [node('probabilities', 'Softmax', [x])]);

  const bytes = Buffer.concat(parts);
  const userDefinedMetadata = { signature: { outputs: { [`${x}:0`]: { name: `${x}:0`, dtype: 'DT_FLOAT' } } } };
  const modelTopology = { node: nodes, library: {}, versions: {} };
  const weightData = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
  const model = await tf.loadGraphModel(tf.io.fromMemory({ modelTopology, weightSpecs: specs, weightData, userDefinedMetadata }));
  const pixels = Uint8Array.from({ length: 2 * 13 * 10 * 3 }, () => noise() * 256);
  const scores = model.predict(tf.tensor4d(Array.from(pixels), [2, 13, 10, 3]).div(255));
  mkdirSync(dir, { recursive: true });
  const name = 'group1-shard1of1.bin';
  writeFileSync(join(dir, name), bytes);
  writeFileSync(join(dir, 'model.json'), `${JSON.stringify({
    format: 'graph-model', modelTopology, weightsManifest: [{ paths: [name], weights: specs }], userDefinedMetadata,
  }, null, 1)}\n`);
  writeFileSync(join(dir, 'answer.json'), `${JSON.stringify({ pixels: Buffer.from(pixels).toString('base64'), scores: await scores.array() }, null, 1)}\n`);
}

await graph(join(out, 'graph'));
