/** @file Settings from the environment: typed, defaulted, and refused in words. */
import path from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EnvironmentError, loadEnv, publicUrl } from "@/server/env";

describe("the environment", () => {
  it("has a default for everything, also where .env names a setting without a value", () => {
    const bare = loadEnv({});
    expect(bare).toMatchObject({
      PORT: 3000,
      HOST: "127.0.0.1",
      ATTUNE_PRECISION: "int8",
      ATTUNE_TRUSTED_PROXIES: [],
    });
    expect(bare.ATTUNE_DATA).toBe(path.resolve("data"));
    const empty = Object.fromEntries(
      Object.keys(bare)
        .concat("DATABASE_URL", "HF_TOKEN", "ATTUNE_URL")
        .map((name) => [name, ""]),
    );
    expect(loadEnv(empty)).toEqual(bare);
  });

  it("names every setting that is wrong and what it must be, without repeating the value", () => {
    const wrong = {
      PORT: "99999",
      ATTUNE_URL: "ftp://s3cret",
      ATTUNE_TRUSTED_PROXIES: "10.0.0.0/8, 10.0.0.0/33",
      DATABASE_URL: "mysql://u:s3cret@h/d",
      ATTUNE_THREADS: "-1",
      ATTUNE_SMTP_URL: "http://u:s3cret@h",
      ATTUNE_MAIL_FROM: "nobody",
    };
    const refusal = (): unknown => loadEnv(wrong);
    expect(refusal).toThrow(EnvironmentError);
    for (const name of Object.keys(wrong)) expect(refusal).toThrow(name);
    expect(refusal).toThrow(/PORT: must be a whole number from 0 to 65535/);
    expect(refusal).toThrow(/"10\.0\.0\.0\/33" is no IP address or range/);
    expect(refusal).not.toThrow(/s3cret/);
  });

  it("wants to know whom mails are from where it has a mail server", () => {
    const ATTUNE_SMTP_URL = "smtp://user:s3cret@mail.example.org:587";
    expect(() => loadEnv({ ATTUNE_SMTP_URL })).toThrow(/ATTUNE_MAIL_FROM: must say whom mails are from/);
    for (const ATTUNE_MAIL_FROM of ["a@example.org", "Attune <a@example.org>"]) {
      expect(loadEnv({ ATTUNE_SMTP_URL, ATTUNE_MAIL_FROM })).toMatchObject({
        ATTUNE_SMTP_URL,
        ATTUNE_MAIL_FROM,
      });
    }
  });

  it("either loads or refuses in words, whatever it is given", () => {
    const names = Object.keys(loadEnv({}));
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...names), fc.string()), (source) => {
        try {
          loadEnv(source);
        } catch (error) {
          expect(error).toBeInstanceOf(EnvironmentError);
        }
      }),
    );
  });

  it.each([
    [{}, 3000, "http://127.0.0.1:3000"],
    [{ HOST: "0.0.0.0" }, 4000, "http://localhost:4000"],
    [{ HOST: "::1" }, 3000, "http://[::1]:3000"],
    [{ ATTUNE_URL: "https://chat.example.org/", HOST: "0.0.0.0" }, 3000, "https://chat.example.org"],
  ])("prints the address people can use: %j", (source, port, url) => {
    expect(publicUrl(loadEnv(source), port)).toBe(url);
  });
});
