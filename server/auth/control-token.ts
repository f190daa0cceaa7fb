/** @file The token in data/server.json: whoever can read that file may run this server's commands. */
import { timingSafeEqual } from "node:crypto";
import { processState } from "../process-state";

/** Whether the request shows the token: "Authorization: Bearer …". */
export function hasControlToken(request: Request): boolean {
  const { controlToken } = processState();
  const given = /^Bearer (\S+)$/.exec(request.headers.get("authorization") ?? "")?.[1];
  if (!controlToken || !given) return false;
  const [a, b] = [Buffer.from(given), Buffer.from(controlToken)];
  return a.length === b.length && timingSafeEqual(a, b);
}

const loopbackAddress = /^(127\.|::1$)/;

/** Whether the request was made on this machine itself, not handed on by a proxy. */
export function isLocal(request: Request, addressHeader: string): boolean {
  const host = request.headers.get("host")?.replace(/:\d+$/, "") ?? "";
  return (
    loopbackAddress.test(request.headers.get(addressHeader) ?? "") &&
    ["localhost", "127.0.0.1", "[::1]"].includes(host)
  );
}
