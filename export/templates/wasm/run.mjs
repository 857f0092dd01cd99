// Runs the program named on the command line, with the files of the working directory.
import * as fs from "node:fs";

let memory;
const bytes = (at, n) => new Uint8Array(memory.buffer, at, n);

function text(at) {
  const whole = new Uint8Array(memory.buffer);
  return Buffer.from(whole.slice(at, whole.indexOf(0, at))).toString("utf8");
}

// Reads and writes go through buffers, since a call to the system for each word is slow.
const ROOM = 1 << 16;
const files = [null];

// At least n bytes in the file's buffer, or all that are left of it.
function fill(file, n) {
  while (file.held.length < n) {
    const more = Buffer.alloc(Math.max(ROOM, n));
    const count = fs.readSync(file.descriptor, more);
    if (count === 0) return;
    file.held = Buffer.concat([file.held, more.subarray(0, count)]);
  }
}

function flush(file) {
  const whole = Buffer.concat(file.parts);
  for (let at = 0; at < whole.length; ) at += fs.writeSync(file.descriptor, whole, at);
  file.parts = [];
  file.size = 0;
}

const host = {
  fopen(name, mode) {
    const path = text(name);
    const writes = text(mode).startsWith("w");
    if (!writes && !fs.existsSync(path)) return 0;
    const descriptor = fs.openSync(path, writes ? "w" : "r");
    files.push({ descriptor, writes, held: Buffer.alloc(0), parts: [], size: 0 });
    return files.length - 1;
  },
  fread(to, size, n, number) {
    const file = files[number];
    fill(file, n * size);
    const count = Math.min(n, Math.floor(file.held.length / size));
    bytes(to, count * size).set(file.held.subarray(0, count * size));
    file.held = file.held.subarray(count * size);
    return count;
  },
  fwrite(from, size, n, number) {
    const file = files[number];
    file.parts.push(Buffer.from(bytes(from, size * n)));
    file.size += size * n;
    if (file.size >= ROOM) flush(file);
    return n;
  },
  fclose(number) {
    if (files[number].writes) flush(files[number]);
    return 0;
  },
  // Of conversions, %lu and %ld alone.
  printf(format, values) {
    const line = text(format).replace(/%l([ud])/g, (_, kind) => {
      const word = new DataView(memory.buffer, values, 4);
      values += 4;
      return kind === "u" ? word.getUint32(0, true) : word.getInt32(0, true);
    });
    fs.writeSync(1, line);
    return line.length;
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
process.exit(instance.exports.run());
