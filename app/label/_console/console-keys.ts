/** @file The keys of the console by step: what they do, and how the sheet of keys tells it. */
import type { Dispatch } from "react";
import type { Shortcut } from "@/app/_components/shortcut-sheet";
import type { ConsoleDialog } from "./console-header";
import type { Flags } from "./rating-step";
import { scrollPane } from "./side-by-side";
import type { TaskAction, TaskState } from "./task-state";

type Actions = Record<string, () => void>;

export type KeyTargets = {
  dispatch: Dispatch<TaskAction>;
  setMode: (mode: "board" | "guided") => void;
  open: (dialog: ConsoleDialog) => void;
  togglePrompt: () => void;
  writeNote: () => void;
  submit: () => void;
  /** The focused response's text. */
  pane: () => HTMLElement | null;
};

const numbers = (count: number, act: (value: number) => void): Actions =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [String(i + 1), () => act(i + 1)]));

/** What `state` answers to. Side-by-side views add their own arrows. */
export function keysOf(state: TaskState, flags: Flags, targets: KeyTargets): Actions {
  const { dispatch, open, togglePrompt } = targets;
  const always: Actions = {
    g: () => open("guidelines"),
    q: () => open("ask"),
    r: () => open("report"),
    "?": () => open("keys"),
    p: togglePrompt,
  };
  if (state.step === "demonstrate") return { ...always, s: () => open("skip") };
  const walking: Actions = {
    j: () => dispatch({ type: "move", by: 1 }),
    k: () => dispatch({ type: "move", by: -1 }),
  };
  if (state.step === "rate") return { ...ratingKeys(flags, targets), ...walking, ...always };
  return { ...walking, ...rankingKeys(state, targets), ...always, s: () => open("skip") };
}

function scrolling({ pane }: KeyTargets): Actions {
  return {
    pagedown: () => scrollPane(pane(), 1),
    pageup: () => scrollPane(pane(), -1),
    " ": () => scrollPane(pane(), 1),
  };
}

function ratingKeys(flags: Flags, targets: KeyTargets): Actions {
  const { dispatch, writeNote } = targets;
  return {
    ...Object.fromEntries(
      flags.map(({ key, letter }) => [letter, () => dispatch({ type: "toggleFlag", flag: key })]),
    ),
    ...numbers(7, (value) => dispatch({ type: "rate", value })),
    ...scrolling(targets),
    arrowup: () => dispatch({ type: "moveScale", by: -1 }),
    arrowdown: () => dispatch({ type: "moveScale", by: 1 }),
    n: writeNote,
    enter: () => dispatch({ type: "advance" }),
  };
}

function rankingKeys(state: TaskState, targets: KeyTargets): Actions {
  const { dispatch, setMode, submit } = targets;
  const common: Actions = {
    u: () => dispatch({ type: "undo" }),
    ...(state.hasRatings && { e: () => dispatch({ type: "setStep", step: "rate" }) }),
    enter: submit,
  };
  if (state.mode === "pairwise") return common;
  const shared: Actions = {
    ...common,
    m: () => setMode(state.mode === "guided" ? "board" : "guided"),
    x: () => dispatch({ type: "toggleNoneAcceptable" }),
  };
  if (state.isComparing) {
    const close = () => dispatch({ type: "compare", isOpen: false });
    return { ...shared, c: close, escape: close, enter: close };
  }
  if (state.insertion) return shared;
  return {
    ...shared,
    ...numbers(9, (rank) => dispatch({ type: "place", rank })),
    ...scrolling(targets),
    "=": () => dispatch({ type: state.isTying ? "cancelTie" : "tie" }),
    escape: () => dispatch({ type: "cancelTie" }),
    arrowup: () => dispatch({ type: "nudge", by: -1 }),
    arrowleft: () => dispatch({ type: "nudge", by: -1 }),
    arrowdown: () => dispatch({ type: "nudge", by: 1 }),
    arrowright: () => dispatch({ type: "nudge", by: 1 }),
    "0": () => dispatch({ type: "unplace" }),
    c: () => dispatch({ type: "compare", isOpen: true }),
  };
}

const alwaysTold: Shortcut[] = [
  { keys: ["p"], does: "Unfold or fold the prompt" },
  { keys: ["g"], does: "Guidelines" },
  { keys: ["q"], does: "Ask about this task" },
  { keys: ["r"], does: "Report" },
  { keys: ["?"], does: "Show these keys" },
];
const sideTold: Shortcut[] = [
  { keys: ["←"], does: "The left one is better" },
  { keys: ["="], does: "A tie" },
  { keys: ["→"], does: "The right one is better" },
  { keys: ["d"], does: "Mark differences, or not" },
  { keys: ["PgUp", "PgDn"], does: "Scroll both" },
];

/** For the sheet of keys. */
export function keysTold(state: TaskState): Shortcut[] {
  if (state.step === "demonstrate") {
    return [
      { keys: ["Ctrl", "Enter"], does: "Submit, while writing" },
      { keys: ["Esc"], does: "Leave the field" },
      { keys: ["s"], does: "Skip" },
      ...alwaysTold,
    ];
  }
  if (state.step === "rate") {
    return [
      { keys: ["1–7"], does: "Rate the chosen row; again takes it back" },
      { keys: ["↑", "↓"], does: "Choose the row: overall, helpful, honest, harmless" },
      { keys: ["a…x"], does: "Flags, by the letter beside each" },
      { keys: ["n"], does: "Write a note; Esc leaves it" },
      { keys: ["Enter"], does: "On to the next that is not rated" },
      { keys: ["j", "k"], does: "Next, previous response" },
      { keys: ["PgUp", "PgDn"], does: "Scroll the response" },
      ...alwaysTold,
    ];
  }
  const submit: Shortcut[] = [
    { keys: ["u"], does: "Undo" },
    { keys: ["Enter"], does: "Submit" },
    { keys: ["s"], does: "Skip" },
    ...(state.hasRatings ? [{ keys: ["e"], does: "Back to the ratings" }] : []),
  ];
  if (state.mode === "pairwise") {
    return [...sideTold, { keys: ["b"], does: "Both bad" }, ...submit, ...alwaysTold];
  }
  const modes: Shortcut[] = [
    { keys: ["m"], does: "Guided or board" },
    { keys: ["x"], does: "None acceptable" },
  ];
  if (state.isComparing || state.insertion) return [...sideTold, ...modes, ...submit, ...alwaysTold];
  return [
    { keys: ["1–9"], does: "Place at this rank; those below move down" },
    { keys: ["="], does: "Tie with the one above; for one not placed: then the rank's number" },
    { keys: ["↑", "↓"], does: "Better or worse by one" },
    { keys: ["0"], does: "Take from the board" },
    { keys: ["j", "k"], does: "Next, previous response" },
    { keys: ["c"], does: "Side by side with the one in the second pane" },
    { keys: ["PgUp", "PgDn"], does: "Scroll the response" },
    ...modes,
    ...submit,
    ...alwaysTold,
  ];
}
