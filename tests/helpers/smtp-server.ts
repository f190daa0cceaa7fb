/** @file A mail server that speaks the few verbs of SMTP (RFC 5321) a sender needs, and keeps what it takes. */
import net, { type AddressInfo } from "node:net";

export type SmtpServer = AsyncDisposable & {
  url: string;
  /** Each with its lines as sent, undone of dot-stuffing. */
  received: { from: string; to: string; data: string }[];
  /** Answer to RCPT from now on; "250 OK" takes it. Null: no answer at all. */
  answer: string | null;
};

export async function smtpServer(): Promise<SmtpServer> {
  const open = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket)).on("error", () => {});
    const say = (line: string) => socket.write(`${line}\r\n`);
    const mail = { from: "", to: "", data: "" };
    let data: string[] | null = null;
    const takeLine = (line: string) => {
      if (data !== null) {
        if (line !== ".") return void data.push(line.replace(/^\./, ""));
        made.received.push({ ...mail, data: data.join("\n") });
        data = null;
        return say("250 Taken");
      }
      const verb = line.slice(0, 4).toUpperCase();
      if (verb === "EHLO") return say("250 test");
      if (verb === "MAIL") mail.from = line;
      if (verb === "RCPT") {
        mail.to = line;
        return made.answer === null || say(made.answer);
      }
      if (verb === "DATA") {
        data = [];
        return say("354 Go on");
      }
      if (verb === "QUIT") return void socket.end("221 Bye\r\n");
      return say("250 OK");
    };
    let rest = "";
    socket.setEncoding("utf8").on("data", (chunk: string) => {
      const lines = (rest + chunk).split("\r\n");
      rest = lines.pop() ?? "";
      for (const line of lines) takeLine(line);
    });
    say("220 test");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const made: SmtpServer = {
    url: `smtp://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received: [],
    answer: "250 OK",
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return made;
}
