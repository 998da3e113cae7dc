// Computes what Keras's networks, written down in TensorFlow.js layers, answer
// with seeded random weights:
//
//   npm install && node keras_logits.mjs ../keras
//
// writes a file of float32 logits, [16,1000], for each network. The layers are
// those of keras.applications' vgg16.py and inception_v3.py, but for the softmax
// at the end. Weights and images are as in torchvision_logits.py.
import { writeFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';

const SEED = 7, IMAGES = 16;

// product is the lower 64 bits of a product, as [high, low] of 32 bits each.
function product(ah, al, bh, bl) {
  const a0 = al & 0xffff, a1 = al >>> 16, b0 = bl & 0xffff, b1 = bl >>> 16;
  const p = a0 * b0, middle = a0 * b1 + a1 * b0 + Math.floor(p / 65536);
  const carry = Math.floor(middle / 65536) + a1 * b1;
  return [(carry + Math.imul(ah, bl) + Math.imul(al, bh)) >>> 0, (((middle & 0xffff) << 16) | (p & 0xffff)) >>> 0];
}

// uniform makes numbers within mean ± bound: SplitMix64 started at the seed and
// the FNV-1a of the name.
function uniform(name, count, mean, bound) {
  let h = 0xcbf29ce4, l = 0x84222325;
  for (const byte of Buffer.from(name)) [h, l] = product(h, (l ^ byte) >>> 0, 0x100, 0x1b3);
  l = (l ^ SEED) >>> 0;
  const out = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    l += 0x7f4a7c15;
    h = (h + 0x9e3779b9 + (l > 0xffffffff ? 1 : 0)) >>> 0;
    l >>>= 0;
    let zh = (h ^ (h >>> 30)) >>> 0, zl = (l ^ ((h << 2) | (l >>> 30))) >>> 0;
    [zh, zl] = product(zh, zl, 0xbf58476d, 0x1ce4e5b9);
    [zh, zl] = product((zh ^ (zh >>> 27)) >>> 0, (zl ^ ((zh << 5) | (zl >>> 27))) >>> 0, 0x94d049bb, 0x133111eb);
    zh = (zh ^ (zh >>> 31)) >>> 0;
    out[i] = mean + bound * (2 * ((zh >>> 8) / 2 ** 24) - 1);
  }
  return out;
}

function fill(model) {
  for (const layer of model.layers) {
    layer.setWeights(layer.weights.map((w) => {
      const name = w.originalName, shape = w.shape, kind = name.slice(name.lastIndexOf('/') + 1);
      let mean = 0, bound = 0.1;
      if (kind === 'kernel') bound = Math.sqrt(6 / shape.slice(0, -1).reduce((a, b) => a * b));
      if (kind === 'moving_variance') [mean, bound] = [1, 0.5];
      return tf.tensor(uniform(name, shape.reduce((a, b) => a * b), mean, bound), shape);
    }));
  }
}

const { layers } = tf;

function vgg16() {
  const image = tf.input({ shape: [224, 224, 3] });
  let x = image;
  [[64, 64], [128, 128], [256, 256, 256], [512, 512, 512], [512, 512, 512]].forEach((block, i) => {
    block.forEach((filters, j) => {
      x = layers.conv2d({ filters, kernelSize: 3, padding: 'same', activation: 'relu', name: `block${i + 1}_conv${j + 1}` }).apply(x);
    });
    x = layers.maxPooling2d({ poolSize: 2, strides: 2 }).apply(x);
  });
  x = layers.flatten().apply(x);
  x = layers.dense({ units: 4096, activation: 'relu', name: 'fc1' }).apply(x);
  x = layers.dense({ units: 4096, activation: 'relu', name: 'fc2' }).apply(x);
  return tf.model({ inputs: image, outputs: layers.dense({ units: 1000, name: 'predictions' }).apply(x) });
}

function inceptionV3() {
  let count = 0;
  const unit = (x, filters, rows, columns, padding = 'same', strides = 1) => {
    const n = count++;
    x = layers.conv2d({ filters, kernelSize: [rows, columns], strides, padding, useBias: false, name: `conv2d_${n}` }).apply(x);
    x = layers.batchNormalization({ scale: false, epsilon: 1e-3, name: `batch_normalization_${n}` }).apply(x);
    return layers.activation({ activation: 'relu' }).apply(x);
  };
  const maximum = (x) => layers.maxPooling2d({ poolSize: 3, strides: 2 }).apply(x);
  const average = (x) => layers.averagePooling2d({ poolSize: 3, strides: 1, padding: 'same' }).apply(x);
  const join = (...values) => layers.concatenate({ axis: 3 }).apply(values);

  const image = tf.input({ shape: [299, 299, 3] });
  let x = unit(image, 32, 3, 3, 'valid', 2);
  x = unit(x, 32, 3, 3, 'valid');
  x = maximum(unit(x, 64, 3, 3));
  x = unit(x, 80, 1, 1, 'valid');
  x = maximum(unit(x, 192, 3, 3, 'valid'));
  for (const pooled of [32, 64, 64]) {
    const one = unit(x, 64, 1, 1);
    const five = unit(unit(x, 48, 1, 1), 64, 5, 5);
    const three = unit(unit(unit(x, 64, 1, 1), 96, 3, 3), 96, 3, 3);
    x = join(one, five, three, unit(average(x), pooled, 1, 1));
  }
  {
    const three = unit(x, 384, 3, 3, 'valid', 2);
    const double = unit(unit(unit(x, 64, 1, 1), 96, 3, 3), 96, 3, 3, 'valid', 2);
    x = join(three, double, maximum(x));
  }
  for (const n of [128, 160, 160, 192]) {
    const one = unit(x, 192, 1, 1);
    const seven = unit(unit(unit(x, n, 1, 1), n, 1, 7), 192, 7, 1);
    const double = unit(unit(unit(unit(unit(x, n, 1, 1), n, 7, 1), n, 1, 7), n, 7, 1), 192, 1, 7);
    x = join(one, seven, double, unit(average(x), 192, 1, 1));
  }
  {
    const three = unit(unit(x, 192, 1, 1), 320, 3, 3, 'valid', 2);
    const seven = unit(unit(unit(unit(x, 192, 1, 1), 192, 1, 7), 192, 7, 1), 192, 3, 3, 'valid', 2);
    x = join(three, seven, maximum(x));
  }
  for (let i = 0; i < 2; i++) {
    const one = unit(x, 320, 1, 1);
    const three = unit(x, 384, 1, 1);
    const spread = join(unit(three, 384, 1, 3), unit(three, 384, 3, 1));
    const double = unit(unit(x, 448, 1, 1), 384, 3, 3);
    const doubleSpread = join(unit(double, 384, 1, 3), unit(double, 384, 3, 1));
    x = join(one, spread, doubleSpread, unit(average(x), 192, 1, 1));
  }
  x = layers.globalAveragePooling2d({}).apply(x);
  return tf.model({ inputs: image, outputs: layers.dense({ units: 1000, name: 'predictions' }).apply(x) });
}

// pattern is image k, [1,size,size,3], after the network's own preprocess_input.
function pattern(k, size, prepare) {
  const out = new Float32Array(size * size * 3), s = k % 5;
  for (let y = 0, at = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      for (let c = 0; c < 3; c++, at++) {
        const v = ((((x >> s) * (13 * (k + 1))) ^ ((y >> s) * (7 * (k + 3)))) + c * (40 + k)) & 255;
        prepare(out, at, c, v);
      }
    }
  }
  return tf.tensor4d(out, [1, size, size, 3]);
}

const caffe = (out, at, c, v) => { out[at - c + 2 - c] = v - [123.68, 116.779, 103.939][c]; }; // BGR
const unitInterval = (out, at, _, v) => { out[at] = v / 127.5 - 1; };

console.info = console.warn = () => {};
setWasmPaths(new URL('node_modules/@tensorflow/tfjs-backend-wasm/dist/', import.meta.url).pathname);
if (!await tf.setBackend('wasm')) throw new Error('no WebAssembly backend');

for (const [name, make, size, prepare, parameters] of [
  ['inception_v3', inceptionV3, 299, unitInterval, 23851784], ['vgg16', vgg16, 224, caffe, 138357544],
]) {
  const model = make();
  if (model.countParams() !== parameters) throw new Error(`${name} has ${model.countParams()} parameters`);
  fill(model);
  const rows = [];
  for (let k = 0; k < IMAGES; k++) {
    tf.tidy(() => rows.push(Buffer.from(model.predict(pattern(k, size, prepare)).dataSync().slice().buffer)));
  }
  writeFileSync(`${process.argv[2]}-${name}.f32`, Buffer.concat(rows));
  model.dispose();
  console.error(name);
}
