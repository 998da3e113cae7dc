// Scores images with a model of the npm package nsfwjs in TensorFlow.js, by
// that package's own steps, and prints the reference that the project's tests
// compare themselves with.
//
//   npm install && node score.mjs inception_v3 IMAGE... >../reference.json
//
// The references of mobilenet_v2, a layers model, and mobilenet_v2_mid, a graph model, are in
// ../reference-mobilenet_v2.json and ../reference-mobilenet_v2_mid.json.
//
// The images are those of "make deps" that can be decoded: all but broken-*.
//
// Pixels are decoded by libjpeg-turbo's djpeg (Debian: libjpeg-turbo-progs) and
// by netpbm, and turned upright by their EXIF orientation, as browsers do before
// nsfwjs sees them. Images are opaque, and of one name each.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { createRequire } from 'node:module';
import * as tf from '@tensorflow/tfjs';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';

const require = createRequire(import.meta.url);
const [name, ...paths] = process.argv.slice(2);

// orientation reads the EXIF orientation of a JPEG, 1 where it has none.
function orientation(jpeg) {
  if (jpeg.readUInt16BE(0) !== 0xffd8) return 1;
  for (let at = 2; at + 4 <= jpeg.length && jpeg[at] === 0xff;) {
    const marker = jpeg[at + 1], length = jpeg.readUInt16BE(at + 2);
    if (marker === 0xda) break;
    if (marker === 0xe1 && jpeg.toString('latin1', at + 4, at + 10) === 'Exif\0\0') {
      const tiff = jpeg.subarray(at + 10, at + 2 + length);
      const little = tiff.toString('latin1', 0, 2) === 'II';
      const u16 = (i) => (little ? tiff.readUInt16LE(i) : tiff.readUInt16BE(i));
      const u32 = (i) => (little ? tiff.readUInt32LE(i) : tiff.readUInt32BE(i));
      const ifd = u32(4);
      for (let i = 0; i < u16(ifd); i++) {
        if (u16(ifd + 2 + 12 * i) === 0x0112) return u16(ifd + 2 + 12 * i + 8);
      }
    }
    at += 2 + length;
  }
  return 1;
}

const decoders = {
  'ffd8ff': ['djpeg', '-rgb', '-ppm'], '89504e': ['pngtopnm'], '474946': ['giftopnm'],
};

// decode returns the pixels of an upright image, [height,width,3].
function decode(path, bytes) {
  const [program, ...options] = decoders[bytes.toString('hex', 0, 3)];
  const pnm = execFileSync(program, [...options, path], { maxBuffer: 1 << 30 });
  const [head, kind, width, height] = /^P([56])\s(\d+)\s(\d+)\s255\s/.exec(pnm.toString('latin1', 0, 64));
  const samples = new Uint8Array(pnm.subarray(head.length));
  const image = tf.tensor3d(samples, [Number(height), Number(width), kind === '6' ? 3 : 1], 'int32');
  return upright(kind === '6' ? image : image.tile([1, 1, 3]), orientation(bytes));
}

function upright(image, orientation) {
  if (orientation >= 5 && orientation <= 8) image = image.transpose([1, 0, 2]);
  // What is left to do, after the axes were swapped for 5 to 8.
  const flips = { 2: [1], 3: [0, 1], 4: [0], 6: [1], 7: [0, 1], 8: [0] }[orientation];
  return flips ? image.reverse(flips) : image;
}

// probabilities follows NSFWJS.infer in nsfwjs's dist/esm/core.js.
function probabilities(model, image) {
  return tf.tidy(() => {
    const normalized = image().toFloat().div(255);
    const size = model.inputs[0].shape[1];
    const resized = tf.image.resizeBilinear(normalized, [size, size], true);
    return Array.from(model.predict(resized.reshape([1, size, size, 3])).dataSync());
  });
}

// loadModel reads the package's modules as its JSONHandler does.
async function loadModel() {
  const dir = new URL(`node_modules/nsfwjs/dist/models/${name}/`, import.meta.url);
  const json = require(new URL('model.min.js', dir).pathname);
  const shards = json.weightsManifest.flatMap((g) => g.paths)
    .map((p) => Buffer.from(require(new URL(`${p}.min.js`, dir).pathname), 'base64'));
  const data = Buffer.concat(shards);
  const load = json.format === 'graph-model' ? tf.loadGraphModel : tf.loadLayersModel;
  return load(tf.io.fromMemory({
    modelTopology: json.modelTopology, userDefinedMetadata: json.userDefinedMetadata,
    weightSpecs: json.weightsManifest.flatMap((g) => g.weights),
    weightData: data.buffer.slice(data.byteOffset, data.byteOffset + data.length),
  }));
}

console.info = console.warn = () => {}; // TensorFlow.js greets on stdout
setWasmPaths(new URL('node_modules/@tensorflow/tfjs-backend-wasm/dist/', import.meta.url).pathname);
if (!await tf.setBackend('wasm')) throw new Error('no WebAssembly backend');

const model = await loadModel();
const images = {};
for (const path of paths) {
  const bytes = readFileSync(path), image = basename(path);
  if (images[image]) throw new Error(`two files are called ${image}`);
  images[image] = {
    sha256: createHash('sha256').update(bytes).digest('hex'),
    probabilities: probabilities(model, () => decode(path, bytes)).map((p) => Number(p.toPrecision(6))),
  };
  process.stderr.write('.');
}
process.stderr.write('\n');
const lines = Object.entries(images).sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, v]) => `    ${JSON.stringify(name)}: ${JSON.stringify(v)}`);
console.log(`{
  "made_by": ${JSON.stringify(`nsfwjs 4.4.0 ${name}, TensorFlow.js ${tf.version.tfjs} (${tf.getBackend()})`)},
  "images": {
${lines.join(',\n')}
  }
}`);
