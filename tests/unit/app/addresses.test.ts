/** @file Which addresses pages follow: after signing in, and out of an answer. */
import { describe, expect, test } from "vitest";
import { safeHref } from "@/app/_components/safe-href";
import { parseNextPath } from "@/app/_lib/next-path";

describe("next path", () => {
  test.each([
    ["/account", "/account"],
    ["/c/1?message=2", "/c/1?message=2"],
    ["//elsewhere.test", "/"],
    ["/\\elsewhere.test", "/"],
    ["https://elsewhere.test", "/"],
    ["javascript:alert(1)", "/"],
    [undefined, "/"],
    [["/a", "/b"], "/"],
  ])("%j leads to %s", (next, expected) => {
    expect(parseNextPath(next)).toBe(expected);
  });
});

describe("links in answers", () => {
  test.each(["https://a.test/", "http://a.test/x?y=1", "mailto:a@b.test"])("keeps %s", (href) => {
    expect(safeHref(href)).toBe(href);
  });

  test.each([
    "javascript:alert(1)",
    "data:text/html,x",
    "java\nscript:alert(1)",
    "/relative",
    "file:///etc/passwd",
    "",
  ])("drops %j", (href) => {
    expect(safeHref(href)).toBeUndefined();
  });
});
