/** @file A real nginx with a self-signed certificate in front of a server, buffering as it does by default. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import fs from "node:fs/promises";
import net from "node:net";
import path from "node:path";
import { findProgram } from "../../bin/setup/find-program.mjs";
import { freePort } from "./free-port";
import { temporaryFolder } from "./temporary-folder";

/** @param upstream where the server listens: http://127.0.0.1:3000 */
export async function tlsProxy(upstream: string, port?: number): Promise<{ url: string } & AsyncDisposable> {
  const nginx = findProgram("nginx");
  const openssl = findProgram("openssl");
  if (!nginx || !openssl) throw new Error("This test needs nginx and openssl; `npm test` installs them.");
  const folder = await temporaryFolder();
  const listenPort = port ?? (await freePort());
  execFileSync(
    openssl,
    [
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:prime256v1",
      "-nodes",
      "-days",
      "2",
    ].concat(
      ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
      ["-keyout", path.join(folder.path, "key.pem"), "-out", path.join(folder.path, "cert.pem")],
    ),
    { stdio: "pipe" },
  );
  const file = path.join(folder.path, "nginx.conf");
  await fs.writeFile(file, configuration(folder.path, listenPort, upstream));
  const child = spawn(nginx, ["-p", folder.path, "-c", file, "-e", path.join(folder.path, "error.log")], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const stop = async () => {
    await stopChild(child);
    await folder[Symbol.asyncDispose]();
  };
  let said = "";
  child.stderr.on("data", (chunk) => {
    said += chunk;
  });
  for (let tries = 0; !(await accepts(listenPort)); tries++) {
    if (child.exitCode !== null || tries > 100) {
      await stop();
      throw new Error(`nginx did not start: ${said}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return { url: `https://localhost:${listenPort}`, [Symbol.asyncDispose]: stop };
}

const temporaryPaths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];

/** The sample of docs/operations.md: forwarded headers, and nothing that would help streams along. */
const configuration = (folder: string, port: number, upstream: string): string => `
${process.getuid?.() === 0 ? "user root;" : ""}
worker_processes 1;
daemon off;
pid ${folder}/nginx.pid;
events { worker_connections 256; }
http {
  access_log off;
  ${temporaryPaths.map((name) => `${name}_temp_path ${folder}/${name};`).join("\n  ")}
  proxy_buffering on;
  server {
    listen 127.0.0.1:${port} ssl;
    server_name localhost;
    ssl_certificate ${folder}/cert.pem;
    ssl_certificate_key ${folder}/key.pem;
    location / {
      proxy_pass ${upstream};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header X-Forwarded-Proto $scheme;
    }
  }
}
`;

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  await ended;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1");
    socket.once("connect", () => socket.end()).once("close", (hadError) => resolve(!hadError));
    socket.once("error", () => resolve(false));
  });
}
