/** @file Behind a real TLS proxy that buffers: signing in works, and an answer arrives word by word. */
import { expect, test } from "vitest";
import { attuneServer } from "../helpers/attune-server";
import { launchBrowser, visitor } from "../helpers/browser";
import { ask, composer, makeAccount, signIn, textOf, untilBegun } from "../helpers/chat-page";
import { freePort } from "../helpers/free-port";
import { tlsProxy } from "../helpers/tls-proxy";

const long = "Write a very long story about a lighthouse keeper, a storm and a map. Take your time.";

test("an admin signs in and streams an answer through nginx with TLS and buffering", async () => {
  const port = await freePort();
  const url = `https://localhost:${port}`;
  await using server = await attuneServer({
    env: { ATTUNE_URL: url, ATTUNE_TRUSTED_PROXIES: "127.0.0.1" },
  });
  expect(server.setupUrl).toContain(`${url}/setup?token=`);
  await using proxy = await tlsProxy(`http://127.0.0.1:${server.port}`, port);
  await using browser = {
    handle: await launchBrowser(),
    [Symbol.asyncDispose]: () => browser.handle.close(),
  };
  await using person = await visitor(browser.handle, { baseURL: proxy.url });
  const { page } = person;
  await makeAccount(page, server.setupUrl ?? "", { name: "Ada Admin", email: "ada@example.org" });

  const [session] = (await person.context.cookies()).filter(({ name }) => name.includes("session"));
  expect(session).toMatchObject({ secure: true, httpOnly: true, sameSite: "Lax" });
  // A page that is open would go to the sign-in page by itself, and race with going there.
  await page.goto("about:blank");
  await person.context.clearCookies();
  await signIn(page, "ada@example.org");
  await composer(page).waitFor();

  const answer = await ask(page, long);
  await untilBegun(answer);
  // Held back by the proxy, all of it would come at once; here it grows while it is being made.
  const lengths = new Set<number>();
  const lengthsWhileMade = async () => {
    const { length } = await textOf(answer);
    if ((await answer.getAttribute("aria-busy")) === "true") lengths.add(length);
    return lengths.size;
  };
  await expect.poll(lengthsWhileMade, { timeout: 30_000, interval: 100 }).toBeGreaterThan(3);
  await page.getByRole("button", { name: "Stop the answer" }).click();
  await page.getByText("Stopped by you.").waitFor();
  expect(person.problems).toEqual([]);
});
