/** @file What a one-time link is good for. */
import { serverCaller } from "@/app/_lib/server-caller";

/** Null when the link is unknown, used, expired or of another kind: the page says the same of all. */
export async function readLink(token: string, kind: "setup" | "invite" | "reset") {
  if (token === "" || token.length > 200) return null;
  const link = await (await serverCaller()).instance.link({ token });
  return link?.kind === kind ? link : null;
}
