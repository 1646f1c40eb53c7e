// sharp. Several sizes come from one decoding: the largest as raw pixels, and the others from it.
import { createRequire } from "node:module";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

const sharp = createRequire(join(process.argv[2], "package.json"))("sharp");
sharp.concurrency(1);
sharp.cache(false);

const nanoseconds = () => { const { user, system } = process.cpuUsage(); return (user + system) * 1000; };
const peakKilobytes = () => readFileSync("/proc/self/status", "latin1").match(/VmHWM:\s+(\d+)/)[1];

const fit = (image, size) => image.resize(size, size, { fit: "inside", withoutEnlargement: true });
const encode = (image, output) =>
  (output === "jpeg" ? image.flatten({ background: "white" }).jpeg({ quality: 80 }) : image.webp({ quality: 80 })).toBuffer();

async function make(picture, sizes, output) {
  const upright = sharp(picture, { limitInputPixels: false }).rotate().toColourspace("srgb");
  if (sizes.length === 1) return [await encode(fit(upright, sizes[0]), output)];
  const { data, info } = await fit(upright, Math.max(...sizes)).raw().toBuffer({ resolveWithObject: true });
  const raw = { width: info.width, height: info.height, channels: info.channels };
  return Promise.all(sizes.map((size) => encode(fit(sharp(data, { raw }), size), output)));
}

for await (const line of createInterface({ input: process.stdin })) {
  const [output, sizes, path, into] = line.split("\t");
  try {
    const before = nanoseconds();
    const made = await make(readFileSync(path), sizes.split(",").map(Number), output);
    const now = nanoseconds();
    if (into) {
      sizes.split(",").forEach((size, index) =>
        writeFileSync(join(into, `${size}.${output === "jpeg" ? "jpg" : "webp"}`), made[index]));
    }
    const bytes = made.reduce((sum, thumbnail) => sum + thumbnail.length, 0);
    process.stdout.write(`${now - before}\t${now}\t${peakKilobytes()}\t${bytes}\n`);
  } catch (error) {
    process.stdout.write(`error\t${String(error.message).replace(/\s+/g, " ")}\n`);
  }
}
