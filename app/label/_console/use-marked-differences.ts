/** @file Marks the words that only one of two rendered texts has, without touching what is rendered. */
"use client";

import { type RefObject, useEffect, useState } from "react";
import { type Span, wordDifferences } from "./word-differences";

const name = "word-difference";
/**
 * Below this share of common text nearly everything would be marked, and a reader sees colour instead of words: two models'
 * answers to one question share about a quarter, mostly small words; two samples of one policy that differ in places far more.
 */
const leastLikeness = 0.4;
const blocks = "p, li, h3, h4, h5, h6, td, th, pre, blockquote, figcaption, div";

export type MarkingState = "marked" | "tooDifferent" | "unsupported" | "off";

/** Follows the two as their text changes, which it does when the renderer arrives. `pair` names what is shown. */
export function useMarkedDifferences(
  left: RefObject<HTMLElement | null>,
  right: RefObject<HTMLElement | null>,
  { isOn, pair }: { isOn: boolean; pair: string },
): MarkingState {
  const [state, setState] = useState<MarkingState>("off");
  // biome-ignore lint/correctness/useExhaustiveDependencies: another pair stands in other elements
  useEffect(() => {
    if (!isOn || !left.current || !right.current) return setState("off");
    if (typeof Highlight === "undefined" || !CSS.highlights) return setState("unsupported");
    const [a, b] = [left.current, right.current];
    const mark = () => setState(markBoth(a, b));
    let frame = requestAnimationFrame(mark);
    const observer = new MutationObserver(() => {
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(mark);
    });
    for (const element of [a, b]) {
      observer.observe(element, { childList: true, subtree: true, characterData: true });
    }
    return () => {
      cancelAnimationFrame(frame);
      observer.disconnect();
      CSS.highlights.delete(name);
    };
  }, [left, right, isOn, pair]);
  return state;
}

function markBoth(left: HTMLElement, right: HTMLElement): MarkingState {
  const [a, b] = [readText(left), readText(right)];
  const found = wordDifferences(a.text, b.text);
  if (!found || found.likeness < leastLikeness) {
    CSS.highlights.delete(name);
    return "tooDifferent";
  }
  CSS.highlights.set(name, new Highlight(...rangesOf(a, found.left), ...rangesOf(b, found.right)));
  return "marked";
}

type ReadText = { text: string; nodes: { node: Text; start: number }[] };

/** The text as one string, blocks apart by a line break, with the place of each text node in it. */
function readText(element: HTMLElement): ReadText {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  const read: ReadText = { text: "", nodes: [] };
  let block: Element | null = null;
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (!(node instanceof Text)) continue;
    const own = node.parentElement?.closest(blocks) ?? null;
    if (block && own !== block) read.text += "\n";
    block = own;
    read.nodes.push({ node, start: read.text.length });
    read.text += node.data;
  }
  return read;
}

/** A span may reach over several text nodes: one range for each. */
function rangesOf({ nodes }: ReadText, spans: Span[]): Range[] {
  return spans.flatMap((span) =>
    nodes.flatMap(({ node, start }) => {
      const from = Math.max(0, span.start - start);
      const to = Math.min(node.length, span.end - start);
      if (from >= to) return [];
      const range = new Range();
      range.setStart(node, from);
      range.setEnd(node, to);
      return [range];
    }),
  );
}
