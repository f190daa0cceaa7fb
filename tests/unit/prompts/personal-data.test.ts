/** @file What is taken for personal data, and what only looks like it. */
import { describe, expect, it } from "vitest";
import { addCounts, maskPersonalData } from "@/server/domain/prompts/personal-data";

describe("personal data", () => {
  it.each([
    ["Write to ann.lee+news@mail.example.org, please.", "Write to [email], please."],
    ["mailto:jürgen@müller.de", "mailto:[email]"],
    ["<bob_7@example.co.uk>", "<[email]>"],
    ["Pay to DE89 3704 0044 0532 0130 00 today", "Pay to [iban] today"],
    ["GB82WEST12345698765432", "[iban]"],
    ["FR14 2004 1010 0505 0001 3M02 606", "[iban]"],
    ["card 4111 1111 1111 1111, exp 09/27", "card [card], exp 09/27"],
    ["5500-0000-0000-0004", "[card]"],
    ["378282246310005", "[card]"],
    ["from 8.8.4.4 at noon", "from [ip] at noon"],
    ["addr 2001:0db8:85a3:0000:0000:8a2e:0370:7334.", "addr [ip]."],
    ["2001:db8:1:2::1 answered", "[ip] answered"],
    ["call +44 20 7946 0958 now", "call [phone] now"],
    ["+1 (555) 010-9999", "[phone]"],
    ["+49(0)30 1234567", "[phone]"],
    ["(212) 555-0187 or 212-555-0188", "[phone] or [phone]"],
    ["212.555.0187", "[phone]"],
    ["Tel. 030 1234567", "Tel. [phone]"],
    ["0171/1234567", "[phone]"],
    ["01711234567", "[phone]"],
    ["01 23 45 67 89", "[phone]"],
    ["0049 30 1234567", "[phone]"],
    ["I live at 221B Baker Street.", "I live at [address]"],
    ["742 Evergreen Terrace, Springfield, IL 62704 is home", "[address] is home"],
    ["1600 Pennsylvania Ave NW", "[address] NW"],
    ["15 W 34th St", "[address]"],
    ["Lindenstraße 12a, 10969 Berlin", "[address]"],
    ["wohnt Hauptstr. 5", "wohnt [address]"],
    ["12 rue de Rivoli, 75001 Paris", "[address]"],
    ["P.O. Box 1234", "[address]"],
  ])("%s", (text, expected) => {
    expect(maskPersonalData(text).text).toBe(expected);
  });

  it.each([
    "In 1984 there were 12345678 people, 3.14159265 and 1,234,567,890 things.",
    "From 2001-02-03 to 2004-05-06, 01.02.2024 - 03.04.2024, 01-02-2024 and 12/24/2023.",
    "Version 10.0.19041.1234, v1.2.3.4, version 8.8.8.8 and node 20.19.0",
    "127.0.0.1, 10.0.0.12 and 192.168.1.1 are nobody's",
    "std::vector<int>::iterator, 12:30:45, a::b::c and ::1",
    "ISBN 978-3-16-148410-0 and 0-306-40615-2",
    "4111 1111 1111 1112 fails its check digit",
    "1234567890123456 and 9780306406157",
    "0101 1010 0110 and 00110011",
    "0.123456789 and 0 1 2 3 4 5 6 7 8 9",
    "x@y, @mention, user@localhost",
    "DE00 1234 5678 9012 3456 78 fails its check digits",
    "The 10 Best Ways; Chapter 5 is on Main Street; 3 streets",
    "https://example.org/item/1234567890123/2024?id=9876543210",
    "10000000 + 20000000 = 30000000",
    "f(1234567) - 7654321",
    "1914-1918 and 1939 - 1945",
    "sha 0123456789abcdef",
    "100 200 300 400 500 600",
  ])("leaves alone: %s", (text) => {
    expect(maskPersonalData(text)).toEqual({ text, masked: {} });
  });

  it("is counted by kind, and counts add up", () => {
    const { text, masked } = maskPersonalData("a@b.org, c@d.org, +44 20 7946 0958");
    expect(text).toBe("[email], [email], [phone]");
    expect(masked).toEqual({ email: 2, phone: 1 });
    expect(addCounts(masked, { email: 1, card: 3 })).toEqual({ email: 3, phone: 1, card: 3 });
  });

  it("does not find its own masks", () => {
    const once = maskPersonalData("221B Baker Street, a@b.org, 4111111111111111").text;
    expect(maskPersonalData(once)).toEqual({ text: once, masked: {} });
  });

  it("takes time in proportion to the text", () => {
    const nasty = [
      "1 ".repeat(50_000),
      "a.".repeat(50_000),
      "A1 ".repeat(30_000),
      "12 Aa ".repeat(15_000),
      ":1".repeat(50_000),
      "0".repeat(100_000),
    ];
    const start = performance.now();
    for (const text of nasty) maskPersonalData(text);
    // Linear work on 0.5 MB takes some tens of milliseconds; quadratic work would take minutes.
    expect(performance.now() - start).toBeLessThan(5_000);
  });
});
