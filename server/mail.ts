/** @file Sending mail by the server that ATTUNE_SMTP_URL names. Knows no database. */
import { createTransport } from "nodemailer";
import { type Env, publicUrl } from "./env";

export type Mail = { to: string; subject: string; text: string };

export type Mailer = {
  /** Where people reach Attune, for links. */
  url: string;
  /** @throws {MailRefusedError} when the server did not take it */
  send(mail: Mail): Promise<void>;
};

/** The mail server was not reached, or said no. The message may be shown to admins: it has no password in it. */
export class MailRefusedError extends Error {
  override readonly name = "MailRefusedError";
}

/** For one answer of the server, and for a whole mail. */
const answerMs = 10_000;
const mailMs = 20_000;

/**
 * Null where no mail server is set.
 * @param port the one really bound, where PORT is 0
 */
export function createMailer(
  env: Pick<Env, "ATTUNE_SMTP_URL" | "ATTUNE_MAIL_FROM" | "ATTUNE_URL" | "HOST" | "PORT">,
  port = env.PORT,
): Mailer | null {
  const { ATTUNE_SMTP_URL: url, ATTUNE_MAIL_FROM: from } = env;
  if (url === undefined || from === undefined) return null;
  const transport = createTransport({
    url,
    connectionTimeout: answerMs,
    greetingTimeout: answerMs,
    socketTimeout: answerMs,
    dnsTimeout: answerMs,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return {
    url: publicUrl(env, port),
    async send({ to, subject, text }) {
      // Nobody is out of office to a machine.
      const headers = { "Auto-Submitted": "auto-generated" };
      const limit = deadline(mailMs);
      try {
        await Promise.race([transport.sendMail({ from, to, subject, text, headers }), limit.over]);
      } catch (cause) {
        throw new MailRefusedError(describeFailure(cause), { cause });
      } finally {
        limit.clear();
      }
    },
  };
}

function deadline(ms: number): { over: Promise<never>; clear: () => void } {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<never>((_resolve, reject) => {
    const error = Object.assign(new Error("The time is over."), { code: "ETIMEDOUT" });
    timer = setTimeout(() => reject(error), ms);
  });
  return { over, clear: () => clearTimeout(timer) };
}

function describeFailure(error: unknown): string {
  const { response, code } = Object(error) as { response?: unknown; code?: unknown };
  if (typeof response === "string" && response !== "") {
    return `The mail server said no: ${response.slice(0, 300)}`;
  }
  if (code === "ETIMEDOUT") return "The mail server did not answer in time.";
  return `The mail server could not be reached (${typeof code === "string" ? code : "unknown reason"}).`;
}
