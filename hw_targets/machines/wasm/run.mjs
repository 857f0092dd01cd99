// Runs the replay program named on the command line, with the files of the working directory.
import * as fs from "node:fs";

let memory;
const bytes = (at, n) => new Uint8Array(memory.buffer, at, n);

function text(at) {
  const whole = new Uint8Array(memory.buffer);
  return Buffer.from(whole.slice(at, whole.indexOf(0, at))).toString("utf8");
}

// Reads and writes go through buffers, since a call to the system for each word is slow.
const files = [null];
const host = {
  fopen(name, mode) {
    const path = text(name);
    const writes = text(mode).startsWith("w");
    if (!writes && !fs.existsSync(path)) return 0;
    files.push({ path, at: 0, content: writes ? null : fs.readFileSync(path), parts: [] });
    return files.length - 1;
  },
  fread(to, size, n, file) {
    const { content, at } = files[file];
    const count = Math.min(n, Math.floor((content.length - at) / size));
    bytes(to, count * size).set(content.subarray(at, at + count * size));
    files[file].at += count * size;
    return count;
  },
  fwrite(from, size, n, file) {
    files[file].parts.push(Buffer.from(bytes(from, size * n)));
    return n;
  },
  fclose(file) {
    fs.writeFileSync(files[file].path, Buffer.concat(files[file].parts));
    return 0;
  },
  memset(to, value, n) {
    bytes(to, n).fill(value);
    return to;
  },
  memcpy(to, from, n) {
    bytes(to, n).set(bytes(from, n));
    return to;
  },
};

const program = fs.readFileSync(process.argv[2]);
const { instance } = await WebAssembly.instantiate(program, { env: host });
memory = instance.exports.memory;
process.exit(instance.exports.replay_main());
