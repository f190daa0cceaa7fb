/** @file A Hugging Face hub on this machine: the three endpoints a download needs, and the ways a real one misbehaves. */
import { createHash } from "node:crypto";
import http from "node:http";
import type { AddressInfo } from "node:net";

export type FakeHub = {
  url: string;
  /** "GET /owner/name/resolve/… bytes=100-199" for every request of a file's body. */
  requests: string[];
  /** Cuts the connection after this many bytes of a large file, once. */
  cutAfterBytes: number | null;
  /** Sends other bytes than announced, until set back. */
  corrupts: boolean;
  /** Answers every request with this. */
  refusesWith: number | null;
} & AsyncDisposable;

const revision = "0123456789abcdef0123456789abcdef01234567";

/** @param files path -> content; those ending in .safetensors or .gguf are "large" and carry a sha256 */
export async function fakeHub(repo: string, files: Record<string, Buffer>): Promise<FakeHub> {
  const server = http.createServer((request, response) => answer(hub, repo, files, request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const hub: FakeHub = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: [],
    cutAfterBytes: null,
    corrupts: false,
    refusesWith: null,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return hub;
}

function answer(
  hub: FakeHub,
  repo: string,
  files: Record<string, Buffer>,
  request: http.IncomingMessage,
  response: http.ServerResponse,
): void {
  const { pathname } = new URL(request.url ?? "/", hub.url);
  if (hub.refusesWith !== null) response.writeHead(hub.refusesWith).end(JSON.stringify({ error: "refused" }));
  else if (pathname.startsWith(`/api/models/${repo}/tree/`)) sendJson(response, listing(files));
  else if (pathname.startsWith(`/api/models/${repo}`)) {
    sendJson(response, {
      _id: "1",
      id: repo,
      sha: revision,
      private: false,
      downloads: 0,
      likes: 0,
      gated: false,
    });
  } else if (pathname.startsWith(`/${repo}/resolve/${revision}/`)) {
    const content = files[pathname.slice(`/${repo}/resolve/${revision}/`.length)];
    if (content) sendFile(hub, content, request, response);
    else response.writeHead(404, { "X-Error-Code": "EntryNotFound" }).end();
  } else response.writeHead(404).end();
}

function sendFile(
  hub: FakeHub,
  content: Buffer,
  request: http.IncomingMessage,
  response: http.ServerResponse,
): void {
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
  const from = range ? Number(range[1]) : 0;
  const to = range?.[2] ? Number(range[2]) : content.length - 1;
  hub.requests.push(`${request.method} ${request.url} ${request.headers.range ?? ""}`.trim());
  const part = Buffer.from(content.subarray(from, to + 1));
  if (hub.corrupts && part.length > 1) part[part.length - 1] = (part.at(-1) ?? 0) ^ 0xff;
  response.writeHead(range ? 206 : 200, {
    "Content-Length": part.length,
    "Content-Range": `bytes ${from}-${to}/${content.length}`,
    ETag: `"${createHash("sha1").update(content).digest("hex")}"`,
  });
  if (hub.cutAfterBytes === null || part.length <= hub.cutAfterBytes) {
    response.end(part);
    return;
  }
  const cut = hub.cutAfterBytes;
  hub.cutAfterBytes = null;
  response.write(part.subarray(0, cut), () => setTimeout(() => response.destroy(), 50));
}

function listing(files: Record<string, Buffer>) {
  return Object.entries(files).map(([path, content]) => ({
    type: "file",
    path,
    size: content.length,
    oid: createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex"),
    ...(/\.(safetensors|gguf|bin)$/.test(path) && {
      lfs: {
        oid: createHash("sha256").update(content).digest("hex"),
        size: content.length,
        pointerSize: 130,
      },
    }),
  }));
}

const sendJson = (response: http.ServerResponse, body: unknown): void =>
  void response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(body));
