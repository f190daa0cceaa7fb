import fc from "fast-check";
import { expect, it } from "vitest";
import { StopStrings } from "@/model/runtime/stop-strings";

/** What is shown of a text that arrives in pieces. */
function show(pieces: string[], stop: string[]): { text: string; isStopped: boolean } {
  const stops = new StopStrings(stop);
  let shown = "";
  for (const piece of pieces) {
    const { text, isStopped } = stops.push(piece);
    shown += text;
    if (isStopped) return { text: shown, isStopped };
  }
  return { text: shown + stops.flush(), isStopped: false };
}

it("ends the text before a stop string that arrives in pieces", () => {
  expect(show(["Hello E", "N", "D and more"], ["END"])).toEqual({ text: "Hello ", isStopped: true });
});

it("shows what only looked like the beginning of one", () => {
  expect(show(["Hello E", "N", "TER"], ["END"])).toEqual({ text: "Hello ENTER", isStopped: false });
});

it("holds back no more than it must", () => {
  const stops = new StopStrings(["END"]);
  expect(stops.push("Hello E")).toEqual({ text: "Hello ", isStopped: false });
  expect(stops.push("x")).toEqual({ text: "Ex", isStopped: false });
});

it("cuts at the first of several", () => {
  expect(show(["a;b.c"], [".", ";"])).toEqual({ text: "a", isStopped: true });
});

it("does the same however the text is cut into pieces, and never shows a stop string", () => {
  const letters = fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 30 });
  const stopText = fc.string({ unit: fc.constantFrom("a", "b"), minLength: 2, maxLength: 4 });
  fc.assert(
    fc.property(fc.array(letters, { maxLength: 8 }), stopText, (pieces, stop) => {
      const whole = pieces.join("");
      const at = whole.indexOf(stop);
      expect(show(pieces, [stop])).toEqual(
        at < 0 ? { text: whole, isStopped: false } : { text: whole.slice(0, at), isStopped: true },
      );
    }),
  );
});
