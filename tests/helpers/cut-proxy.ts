/** @file A TCP proxy whose line can be cut: what is open breaks off in the middle, and nobody gets through until it is mended. */
import net, { type AddressInfo } from "node:net";

export type CutProxy = AsyncDisposable & {
  url: string;
  port: number;
  /** Resolves when somebody has found it cut. */
  cut(): Promise<void>;
  mend(): void;
};

/** @param target port on this machine that it leads to; @param port 0 = any free one */
export async function cutProxy(target: number, port = 0): Promise<CutProxy> {
  const open = new Set<net.Socket>();
  let isCut = false;
  let found = () => {};
  const server = net.createServer((near) => {
    if (isCut) {
      near.destroy();
      found();
      return;
    }
    const far = net.connect(target, "127.0.0.1");
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(socket);
      socket.pipe(other);
      socket.on("error", () => other.destroy());
      socket.on("close", () => {
        open.delete(socket);
        other.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const listening = (server.address() as AddressInfo).port;
  return {
    url: `http://127.0.0.1:${listening}`,
    port: listening,
    cut() {
      isCut = true;
      for (const socket of open) socket.destroy();
      return new Promise((resolve) => {
        found = resolve;
      });
    },
    mend() {
      isCut = false;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
