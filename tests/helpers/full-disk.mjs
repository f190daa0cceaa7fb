/** @file Loaded into trainer and stage processes (--import): while the file that TEST_FULL_DISK names is there, no write fits. */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

const marker = process.env.TEST_FULL_DISK ?? "";
const open = fs.promises.open;

fs.promises.open = async (...args) => {
  const file = await open(...args);
  const write = file.write.bind(file);
  file.write = async (...rest) => {
    if (!fs.existsSync(marker)) return write(...rest);
    throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
  };
  return file;
};

if (/(trainer|stage)\.js$/.test(process.argv[1] ?? "")) syncBuiltinESMExports();
