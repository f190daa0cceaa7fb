/** @file Whose request it is: forwarded addresses, origins, body sizes. */
import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  clientAddress,
  clientAddressHeader,
  limitKey,
  proxyTest,
  stampClientAddress,
} from "@/server/auth/client-address";
import { checkMutation, isOwnOrigin, withBoundedBody } from "@/server/auth/request-checks";
import { loadEnv } from "@/server/env";

const rangesOf = (list: string) => loadEnv({ ATTUNE_TRUSTED_PROXIES: list }).ATTUNE_TRUSTED_PROXIES;
const isProxy = proxyTest(rangesOf("10.0.0.0/8, ::1, 2001:db8:1::/48"));

describe("the client's address", () => {
  it.each([
    ["198.51.100.7", "203.0.113.1", "198.51.100.7", "a stranger's header is not believed"],
    ["10.0.0.1", "203.0.113.1", "203.0.113.1", "a proxy's is"],
    [
      "10.0.0.1",
      "6.6.6.6, 203.0.113.1, 10.2.3.4",
      "203.0.113.1",
      "the nearest that is no proxy, not the first",
    ],
    ["10.0.0.1", "6.6.6.6, nonsense", "10.0.0.1", "nothing behind what is no address"],
    ["10.0.0.1", undefined, "10.0.0.1", "the proxy itself when it names none"],
    ["10.0.0.1", "[2001:db8::9]:443", "2001:db8::9", "with brackets and port"],
    ["2001:db8:1::5", "::ffff:203.0.113.1", "203.0.113.1", "IPv4 in IPv6"],
    ["", "203.0.113.1", "unknown", "a closed socket"],
  ])("of %s forwarding %s is %s: %s", (peer, forwarded, expected, _why) => {
    expect(clientAddress(peer, isProxy, forwarded)).toBe(expected);
  });

  it("is stamped over whatever the client sent, whose forwarded headers go", () => {
    const socket = new Socket();
    Object.defineProperty(socket, "remoteAddress", { value: "::ffff:198.51.100.7" });
    const request = new IncomingMessage(socket);
    Object.assign(request.headers, {
      [clientAddressHeader]: "10.0.0.1",
      "x-forwarded-for": "203.0.113.1",
      "x-forwarded-host": "evil.example",
      host: "here",
    });
    stampClientAddress(request, { ATTUNE_TRUSTED_PROXIES: rangesOf("10.0.0.0/8") });
    expect(request.headers).toEqual({ host: "here", [clientAddressHeader]: "198.51.100.7" });
  });

  it("is the peer's for every stranger, whatever they forward", () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.string(), (peer, forwarded) => {
        fc.pre(!isProxy(peer));
        expect(clientAddress(peer, isProxy, forwarded)).toBe(peer);
      }),
    );
  });

  it("counts one IPv6 network as one", () => {
    expect(limitKey("2001:db8:0:1::1")).toBe(limitKey("2001:0db8::1:ffff:ffff:ffff:ffff"));
    expect(limitKey("2001:db8:0:1::1")).not.toBe(limitKey("2001:db8:0:2::1"));
    expect(limitKey("::1")).toBe("0:0:0:0");
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        expect(limitKey(address).split(":")).toHaveLength(4);
      }),
    );
  });
});

describe("an origin", () => {
  it.each([
    [{}, "http://127.0.0.1:3000", "127.0.0.1:3000", true],
    [{}, "http://localhost:3000", "localhost:3000", true],
    [{}, "http://localhost:3000", "127.0.0.1:3000", false],
    [{}, "http://localhost:3001", "localhost:3000", false],
    [{}, "http://evil.example:3000", "evil.example:3000", false],
    [{}, "null", "127.0.0.1:3000", false],
    [{}, null, "127.0.0.1:3000", false],
    [{ HOST: "0.0.0.0" }, "http://machine.lan:3000", "machine.lan:3000", true],
    [{ HOST: "0.0.0.0" }, "http://evil.example", "machine.lan:3000", false],
    [{ ATTUNE_URL: "https://chat.example.org" }, "https://chat.example.org", "internal:3000", true],
    [{ ATTUNE_URL: "https://chat.example.org" }, "http://chat.example.org", "chat.example.org", false],
    [{ ATTUNE_URL: "https://chat.example.org" }, "https://chat.example.org.evil.example", "x", false],
  ])("under %j, %s asking %s: %s", (source, origin, host, isOwn) => {
    const headers = new Headers({ host, ...(origin && { origin }) });
    expect(isOwnOrigin(headers, loadEnv(source))).toBe(isOwn);
  });

  it("is asked of every method that changes something, and of no other", () => {
    const env = loadEnv({});
    for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
      expect(() => checkMutation(new Request("http://127.0.0.1/", { method }), env), method).toThrow(
        /another site/,
      );
    }
    expect(() => checkMutation(new Request("http://127.0.0.1/"), env)).not.toThrow();
  });
});

describe("a body", () => {
  const post = (body: BodyInit) =>
    new Request("http://127.0.0.1/", { method: "POST", body, duplex: "half" } as RequestInit);

  it("is cut off at its limit, declared or not, and passes unchanged below it", async () => {
    const endless = new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(1024)) });
    await expect(withBoundedBody(post(endless), 10_000)).rejects.toMatchObject({ code: "TOO_LARGE" });
    await expect(withBoundedBody(post("x".repeat(10_001)), 10_000)).rejects.toMatchObject({
      code: "TOO_LARGE",
    });
    const passed = await withBoundedBody(post("é".repeat(5_000)), 10_000);
    expect(await passed.text()).toBe("é".repeat(5_000));
  });
});
