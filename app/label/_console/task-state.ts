/** @file All that happens on one task's page, as a reducer: ratings, order, focus, undo, and what is said of each move. */
import type { ResponseFlag } from "@/server/domain/labeling/flags";
import type { Draft, Rating, TaskView } from "@/server/domain/labeling/task-schema";
import {
  areSame,
  type Choice,
  joinRank,
  nudge,
  placeAt,
  putBeside,
  rankOf,
  type Tiers,
  tiedWith,
  tieWith,
  tieWithAbove,
  unplace,
  unplacedOf,
} from "./board";
import { choose, type Insertion, nextInsertion } from "./guided-insertion";

export const scales = ["overall", "helpful", "honest", "harmless"] as const;
export type Scale = (typeof scales)[number];
export type Demonstration = NonNullable<Draft["demonstration"]>;

type Moment = { tiers: Tiers; insertion: Insertion | null; focusId: string };

export type TaskState = Moment & {
  /** As this labeler sees the responses: the first is A. */
  order: readonly string[];
  /** Whether there is a first step. */
  hasRatings: boolean;
  step: Draft["step"];
  mode: Draft["mode"];
  ratings: Readonly<Record<string, Rating>>;
  /** The row that number keys rate. */
  scale: Scale;
  /** `=` was pressed on one that is not placed: the next number is the rank it joins. */
  isTying: boolean;
  /** What the second pane shows, where it is not simply the neighbour. */
  comparedId: string | null;
  isComparing: boolean;
  noneAcceptable: boolean;
  demonstration: Demonstration;
  past: readonly Moment[];
  /** Read out by screen readers. */
  said: string;
};

export type TaskAction =
  | { type: "focus"; id: string }
  | { type: "move"; by: 1 | -1 }
  | { type: "place"; rank: number; id?: string }
  | { type: "join"; otherId: string; id?: string }
  | { type: "tie" | "unplace" | "undo" | "cancelTie"; id?: string }
  | { type: "nudge"; by: 1 | -1 }
  | { type: "compare"; isOpen: boolean }
  | { type: "compareWith"; id: string }
  | { type: "judge"; choice: Choice }
  | { type: "judgePair"; choice: Choice | "bothBad" }
  | { type: "setMode"; mode: "board" | "guided" }
  | { type: "setStep"; step: Draft["step"] }
  | { type: "rate"; value: number; scale?: Scale }
  | { type: "advance" }
  | { type: "moveScale"; by: 1 | -1 }
  | { type: "toggleFlag"; flag: ResponseFlag }
  | { type: "note"; note: string }
  | { type: "toggleNoneAcceptable" }
  | { type: "demonstrate"; demonstration: Demonstration }
  | { type: "say"; text: string };

const emptyRating: Rating = {
  overall: null,
  helpful: null,
  honest: null,
  harmless: null,
  flags: [],
  note: "",
};
const mostUndos = 100;

export const ratingOf = (state: Pick<TaskState, "ratings">, id: string): Rating =>
  state.ratings[id] ?? emptyRating;

/** A, B, … in the order the labeler sees. */
export function letterOf(order: readonly string[], id: string): string {
  return String.fromCharCode(65 + Math.max(0, order.indexOf(id)));
}

/** Where the labeler left it, or the beginning. */
export function startTask(task: TaskView, preferred: "board" | "guided"): TaskState {
  const order = task.responses.map(({ id }) => id);
  const { draft } = task;
  const isKnown = (id: string) => order.includes(id);
  const tiers = (draft?.tiers ?? []).map((tier) => tier.filter(isKnown)).filter(({ length }) => length > 0);
  const state: TaskState = {
    order,
    hasRatings: task.batch.hasRatings,
    step: draft?.step ?? firstStep(task),
    mode: task.batch.task === "pairwise" ? "pairwise" : (draft?.mode ?? preferred),
    ratings: draft?.ratings ?? {},
    scale: "overall",
    tiers,
    insertion: null,
    focusId: "",
    isTying: false,
    comparedId: null,
    isComparing: false,
    noneAcceptable: draft?.noneAcceptable ?? false,
    demonstration: draft?.demonstration ?? { text: "", editedFromId: null, pastedCharacters: 0 },
    past: [],
    said: "",
  };
  const insertion = goingOn(state, draft?.insertion ?? null);
  return guide({ ...state, insertion, focusId: insertion?.id ?? firstFocus(state) });
}

/** Choices made already, where they still mean something: another order of the tiers would make them wrong. */
function goingOn({ mode, step, order, tiers }: TaskState, insertion: Insertion | null): Insertion | null {
  if (insertion === null || mode !== "guided" || step !== "rank") return null;
  const { id, low, high } = insertion;
  return unplacedOf(order, tiers).includes(id) && low < high && high <= tiers.length ? insertion : null;
}

function firstStep({ batch }: TaskView): Draft["step"] {
  if (batch.task === "demonstration") return "demonstrate";
  return batch.hasRatings ? "rate" : "rank";
}

/** The first that still wants something: a rating, then a place. */
function firstFocus(state: TaskState): string {
  const waiting = state.step === "rate" ? unratedOf(state) : unplacedOf(state.order, state.tiers);
  return waiting[0] ?? state.order[0] ?? "";
}

export function draftOf(state: TaskState): Draft {
  const { step, mode, ratings, tiers, insertion, noneAcceptable, demonstration } = state;
  return {
    step,
    mode,
    ratings,
    tiers: tiers.map((tier) => [...tier]),
    insertion,
    noneAcceptable,
    demonstration: demonstration.text === "" && demonstration.editedFromId === null ? null : demonstration,
  };
}

/** What j and k walk through: those without a place by letter, then the order, best first. While rating: by letter. */
export function walkOf({ order, tiers, step }: TaskState): string[] {
  return step === "rate" ? [...order] : [...unplacedOf(order, tiers), ...tiers.flat()];
}

/** What the second pane shows: the chosen one, else the one above in the order, else the one below, else the next letter. */
export function neighbourOf(state: TaskState): string | null {
  const { order, tiers, focusId, comparedId } = state;
  if (comparedId && comparedId !== focusId) return comparedId;
  const placed = tiers.flat();
  const at = placed.indexOf(focusId);
  const near = at === -1 ? placed.at(-1) : (placed[at - 1] ?? placed[at + 1]);
  return near ?? order[order.indexOf(focusId) + 1] ?? order.find((id) => id !== focusId) ?? null;
}

/** "B: rank 2 of 4, tied with C" */
export function describePlace({ order, tiers }: Pick<TaskState, "order" | "tiers">, id: string): string {
  const rank = rankOf(tiers, id);
  if (rank === null) return `${letterOf(order, id)}: not placed`;
  const tied = tiedWith(tiers, id).map((other) => letterOf(order, other));
  return `${letterOf(order, id)}: rank ${rank} of ${tiers.length}${tied.length > 0 ? `, tied with ${tied.join(", ")}` : ""}`;
}

export function reduceTask(state: TaskState, action: TaskAction): TaskState {
  switch (action.type) {
    case "focus":
      return focusOn(state, action.id);
    case "move":
      return moveFocus(state, action.by);
    case "place":
      return place(state, action.id ?? state.focusId, action.rank);
    case "join": {
      const id = action.id ?? state.focusId;
      return arrange(state, id, tieWith(state.tiers, id, action.otherId));
    }
    case "tie":
      return tie(state, action.id ?? state.focusId);
    case "cancelTie":
      return { ...state, isTying: false };
    case "unplace": {
      const id = action.id ?? state.focusId;
      return arrange(state, id, unplace(state.tiers, id), { isStaying: true });
    }
    case "nudge":
      return arrange(state, state.focusId, nudge(state.tiers, state.focusId, action.by));
    case "undo":
      return undo(state);
    case "compare":
      return { ...state, isComparing: action.isOpen && neighbourOf(state) !== null };
    case "compareWith":
      return action.id === state.focusId ? state : { ...state, comparedId: action.id };
    case "judge":
      return judge(state, action.choice);
    case "judgePair":
      return judgePair(state, action.choice);
    case "setMode":
      return guide({ ...state, mode: action.mode, insertion: null, isComparing: false, isTying: false });
    case "setStep":
      return changeStep(state, action.step);
    case "rate":
      return rate(state, action.scale ?? state.scale, action.value);
    case "advance":
      return advance(state);
    case "moveScale":
      return { ...state, scale: scales[scales.indexOf(state.scale) + action.by] ?? state.scale };
    case "toggleFlag":
      return toggleFlag(state, action.flag);
    case "note":
      return withRating(state, { note: action.note });
    case "toggleNoneAcceptable":
      return {
        ...state,
        noneAcceptable: !state.noneAcceptable,
        said: state.noneAcceptable
          ? "Some are acceptable."
          : "None acceptable: after the ranking you write a better answer.",
      };
    case "demonstrate":
      return { ...state, demonstration: action.demonstration };
    case "say":
      return { ...state, said: action.text };
  }
}

function focusOn(state: TaskState, id: string): TaskState {
  return { ...state, focusId: id, isTying: false, comparedId: null, said: describeFocus(state, id) };
}

function describeFocus(state: TaskState, id: string): string {
  if (state.step !== "rate") return `${describePlace(state, id)}.`;
  const { overall } = ratingOf(state, id);
  return `${letterOf(state.order, id)}: ${overall === null ? "not rated" : `overall ${overall} of 7`}.`;
}

function moveFocus(state: TaskState, by: 1 | -1): TaskState {
  if (state.isComparing) return moveCompared(state, by);
  const walk = walkOf(state);
  const target = walk[(walk.indexOf(state.focusId) + by + walk.length) % walk.length];
  return target === undefined ? state : focusOn(state, target);
}

/** Side by side, j and k turn over what the focused one is compared with. */
function moveCompared(state: TaskState, by: 1 | -1): TaskState {
  const others = state.order.filter((id) => id !== state.focusId);
  const now = others.indexOf(neighbourOf(state) ?? "");
  const id = others[(now + by + others.length) % others.length];
  if (id === undefined) return state;
  return { ...state, comparedId: id, said: `Compared with ${describePlace(state, id)}.` };
}

function place(state: TaskState, id: string, rank: number): TaskState {
  const { tiers, isTying } = state;
  return arrange(state, id, isTying ? joinRank(tiers, id, rank) : placeAt(tiers, id, rank));
}

/** Of one that is not placed nobody knows which is above: the next number says it. */
function tie(state: TaskState, id: string): TaskState {
  const { tiers } = state;
  if (rankOf(tiers, id) !== null) return arrange(state, id, tieWithAbove(tiers, id));
  if (tiers.length === 0) return { ...state, said: "Nothing is placed yet to tie with." };
  if (tiers.length === 1) return arrange(state, id, tieWithAbove(tiers, id));
  return {
    ...state,
    isTying: true,
    focusId: id,
    said: `Tie ${letterOf(state.order, id)} with which rank? Press its number.`,
  };
}

/** Takes a new order over, remembers the one before, and goes on to the next that has no place. */
function arrange(
  state: TaskState,
  id: string,
  tiers: Tiers,
  { isStaying = false }: { isStaying?: boolean } = {},
): TaskState {
  if (areSame(tiers, state.tiers)) return { ...state, focusId: id, isTying: false };
  const wasPlaced = rankOf(state.tiers, id) !== null;
  const next: TaskState = {
    ...state,
    tiers,
    past: remember(state),
    isTying: false,
    comparedId: null,
    focusId: wasPlaced || isStaying ? id : nextUnplaced(state.order, tiers, id),
  };
  return guide({ ...next, insertion: null, said: `${describePlace(next, id)}.` });
}

/** The next letter without a place, from `id` on and around; `id` itself when all have one. */
function nextUnplaced(order: readonly string[], tiers: Tiers, id: string): string {
  const at = order.indexOf(id);
  const around = [...order.slice(at + 1), ...order.slice(0, at)];
  return unplacedOf(around, tiers)[0] ?? id;
}

const remember = ({ past, tiers, insertion, focusId }: TaskState) => [
  ...past.slice(-(mostUndos - 1)),
  { tiers, insertion, focusId },
];

function undo(state: TaskState): TaskState {
  const last = state.past.at(-1);
  if (!last) return { ...state, said: "Nothing to undo." };
  return guide({
    ...state,
    ...last,
    insertion: state.mode === "guided" ? last.insertion : null,
    past: state.past.slice(0, -1),
    isTying: false,
    isComparing: false,
    said: `Undone. ${describePlace({ order: state.order, tiers: last.tiers }, last.focusId)}.`,
  });
}

/** In guided mode the next one to insert is always chosen; elsewhere nothing changes. */
function guide(state: TaskState): TaskState {
  if (state.mode !== "guided" || state.insertion || state.step !== "rank") return state;
  const { tiers, insertion } = nextInsertion(state.tiers, unplacedOf(state.order, state.tiers));
  return { ...state, tiers, insertion, ...(insertion && { focusId: insertion.id }) };
}

function judge(state: TaskState, choice: Choice): TaskState {
  if (!state.isComparing && state.insertion) return judgeInsertion(state, state.insertion, choice);
  const otherId = neighbourOf(state);
  if (!otherId) return state;
  const { focusId: id, tiers } = state;
  return { ...arrange(state, id, putBeside(tiers, { id, otherId, choice })), isComparing: false };
}

function judgeInsertion(state: TaskState, insertion: Insertion, choice: Choice): TaskState {
  const chosen = choose(state.tiers, insertion, choice);
  const next: TaskState = { ...state, ...chosen, past: remember(state) };
  if (chosen.insertion) return { ...next, said: `${letterOf(state.order, insertion.id)}: one more choice.` };
  return guide({ ...next, said: `${describePlace(next, insertion.id)}.` });
}

/** Pairwise: better means the left one. Both bad is a tie of which none is acceptable. */
function judgePair(state: TaskState, choice: Choice | "bothBad"): TaskState {
  const [left, right] = state.order;
  if (left === undefined || right === undefined) return state;
  const orders: Record<typeof choice, [string[][], string]> = {
    better: [[[left], [right]], "A is better."],
    worse: [[[right], [left]], "B is better."],
    tie: [[[left, right]], "A tie."],
    bothBad: [[[left, right]], "Both are bad."],
  };
  const [tiers, said] = orders[choice];
  return { ...state, tiers, past: remember(state), noneAcceptable: choice === "bothBad", said };
}

function changeStep(state: TaskState, step: Draft["step"]): TaskState {
  const next = { ...state, step, isTying: false, isComparing: false, insertion: null };
  return guide({ ...next, focusId: firstFocus(next) });
}

function withRating(state: TaskState, change: Partial<Rating>): TaskState {
  const rating = { ...ratingOf(state, state.focusId), ...change };
  return { ...state, ratings: { ...state.ratings, [state.focusId]: rating } };
}

export const unratedOf = (state: Pick<TaskState, "order" | "ratings">) =>
  state.order.filter((id) => ratingOf(state, id).overall === null);

/** On to the next that is not rated; to the ranking when all are. */
function advance(state: TaskState): TaskState {
  const at = state.order.indexOf(state.focusId);
  const around = [...state.order.slice(at + 1), ...state.order.slice(0, at + 1)];
  const next = around.find((id) => ratingOf(state, id).overall === null);
  if (next === undefined) return { ...changeStep(state, "rank"), said: "All are rated. Now rank them." };
  if (next !== state.focusId) return focusOn(state, next);
  return { ...state, said: `${letterOf(state.order, next)} still needs its overall rating.` };
}

/** The same value again takes it back. */
function rate(state: TaskState, scale: Scale, value: number): TaskState {
  const isSame = ratingOf(state, state.focusId)[scale] === value;
  const letter = letterOf(state.order, state.focusId);
  return {
    ...withRating(state, { [scale]: isSame ? null : value }),
    scale,
    said: `${letter}: ${scale} ${isSame ? "taken back" : `${value} of 7`}.`,
  };
}

function toggleFlag(state: TaskState, flag: ResponseFlag): TaskState {
  const { flags } = ratingOf(state, state.focusId);
  return withRating(state, {
    flags: flags.includes(flag) ? flags.filter((one) => one !== flag) : [...flags, flag],
  });
}
