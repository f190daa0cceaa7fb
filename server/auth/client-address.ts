/** @file Which address a request really comes from: forwarded headers count only behind a configured proxy. */
import type { IncomingMessage } from "node:http";
import net from "node:net";
import type { AddressRange, Env } from "../env";

/** Carries the address from the HTTP server to everything behind it. Whatever a client sends under this name is replaced. */
export const clientAddressHeader = "x-attune-client-address";

const forwardedHeaders = [
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-forwarded-port",
  "forwarded",
];

/**
 * Call for every request before anything reads its headers: writes `clientAddressHeader`, and removes the forwarded
 * headers of a sender that is no configured proxy.
 */
export function stampClientAddress(request: IncomingMessage, env: Pick<Env, "ATTUNE_TRUSTED_PROXIES">): void {
  const peer = plainAddress(request.socket.remoteAddress ?? "");
  const isProxy = proxyTest(env.ATTUNE_TRUSTED_PROXIES);
  const chain = request.headers["x-forwarded-for"];
  request.headers[clientAddressHeader] = clientAddress(
    peer,
    isProxy,
    Array.isArray(chain) ? chain.join(",") : chain,
  );
  if (!isProxy(peer)) for (const name of forwardedHeaders) delete request.headers[name];
}

type AddressTest = (address: string) => boolean;

/** The nearest address in the chain that is no proxy of ours; the peer itself where that is none. */
export function clientAddress(peer: string, isProxy: AddressTest, forwardedFor: string | undefined): string {
  if (!isProxy(peer)) return peer || "unknown";
  const hops = (forwardedFor ?? "").split(",").map((hop) => plainAddress(hop.trim()));
  let nearest = peer;
  for (const hop of hops.reverse()) {
    // A hop that is no address was not written by our proxy: what lies behind it cannot be believed either.
    if (net.isIP(hop) === 0) break;
    nearest = hop;
    if (!isProxy(hop)) break;
  }
  return nearest;
}

export function proxyTest(ranges: readonly AddressRange[]): AddressTest {
  const list = new net.BlockList();
  for (const { address, bits, family } of ranges) list.addSubnet(address, bits, family);
  return (address) => {
    const version = net.isIP(address);
    return version !== 0 && list.check(address, version === 6 ? "ipv6" : "ipv4");
  };
}

/** ::ffff:192.0.2.1 → 192.0.2.1, and without brackets, port or zone. */
function plainAddress(address: string): string {
  const bare = address
    .replace(/^\[([^\]]*)\](:\d+)?$/, "$1")
    .replace(/%.*$/, "")
    .replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, "$1");
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)?.[1] ?? bare;
}

/** The unit that limits count: one IPv4 address, or the /64 network that one IPv6 customer gets. */
export function limitKey(address: string): string {
  if (!net.isIPv6(address)) return address;
  const [head = "", tail] = address.toLowerCase().split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail ? tail.split(":") : [];
  const zeros =
    tail === undefined ? [] : Array<string>(Math.max(0, 8 - left.length - right.length)).fill("0");
  return [...left, ...zeros, ...right]
    .slice(0, 4)
    .map((group) => Number.parseInt(group || "0", 16).toString(16))
    .join(":");
}
