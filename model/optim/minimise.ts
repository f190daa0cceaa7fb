/** @file L-BFGS (Nocedal & Wright 2006, algorithm 7.5): the minimum of a smooth, strictly convex function of many variables. */

/** The search stopped with a slope left: the function is not convex, not finite, or too badly scaled. */
export class NotSettledError extends Error {
  override readonly name = "NotSettledError";
  constructor(
    readonly rounds: number,
    readonly slope: number,
  ) {
    super(`The minimum was not found in ${rounds} rounds: a slope of ${slope} is left.`);
  }
}

/** Writes the gradient at x into `gradient` and returns the value there. */
export type Objective = (x: Float64Array, gradient: Float64Array) => number;

export type MinimiseOptions = {
  /** The largest part of the gradient that may be left. Default 1e-8. */
  tolerance?: number;
  /** Default 2000. */
  mostRounds?: number;
  signal?: AbortSignal | undefined;
};

type Change = { step: Float64Array; turn: Float64Array; curvature: number };
type Point = { x: Float64Array; gradient: Float64Array; value: number };

/** Changes that the curvature is estimated from. */
const memory = 20;

/**
 * In double precision and a fixed order, so the same on every machine.
 * @param start is not changed
 * @throws NotSettledError, and what the signal is aborted with
 */
export function minimise(
  objective: Objective,
  start: Float64Array,
  { tolerance = 1e-8, mostRounds = 2000, signal }: MinimiseOptions = {},
): Float64Array {
  let at = evaluate(objective, start);
  const changes: Change[] = [];
  for (let round = 0; round < mostRounds; round++) {
    signal?.throwIfAborted();
    if (largest(at.gradient) <= tolerance) return at.x;
    const next = walk(objective, at, descentDirection(at.gradient, changes));
    // Where no step of any length descends, rounding is all that is left.
    if (next === null) break;
    remember(changes, at, next);
    at = next;
  }
  if (largest(at.gradient) <= Math.sqrt(tolerance)) return at.x;
  throw new NotSettledError(mostRounds, largest(at.gradient));
}

function evaluate(objective: Objective, x: Float64Array): Point {
  const gradient = new Float64Array(x.length);
  return { x, gradient, value: objective(x, gradient) };
}

/** -H g, H the inverse of the curvature as the changes tell it (the two loops of algorithm 7.4). */
function descentDirection(gradient: Float64Array, changes: readonly Change[]): Float64Array {
  const direction = gradient.map((each) => -each);
  const shares = changes.map(() => 0);
  for (let i = changes.length - 1; i >= 0; i--) {
    const { step, turn, curvature } = changes[i] as Change;
    const share = dot(step, direction) / curvature;
    shares[i] = share;
    addScaled(direction, turn, -share);
  }
  const newest = changes.at(-1);
  const scale = newest ? newest.curvature / dot(newest.turn, newest.turn) : 1;
  for (let j = 0; j < direction.length; j++) direction[j] = (direction[j] ?? 0) * scale;
  for (const [i, { step, turn, curvature }] of changes.entries())
    addScaled(direction, step, (shares[i] ?? 0) - dot(turn, direction) / curvature);
  return direction;
}

/** The step is halved until it descends by a share of what the slope promises (Armijo's condition). */
function walk(objective: Objective, at: Point, direction: Float64Array): Point | null {
  const slope = dot(at.gradient, direction);
  for (let length = 1; length > 1e-12; length /= 2) {
    const x = at.x.slice();
    addScaled(x, direction, length);
    const next = evaluate(objective, x);
    if (next.value <= at.value + 1e-4 * length * slope) return next;
  }
  return null;
}

function remember(changes: Change[], from: Point, to: Point): void {
  const step = to.x.slice();
  addScaled(step, from.x, -1);
  const turn = to.gradient.slice();
  addScaled(turn, from.gradient, -1);
  const curvature = dot(step, turn);
  // Where it is strictly convex the curvature is above 0; rounding may hide it.
  if (!(curvature > 1e-14 * dot(turn, turn))) return;
  changes.push({ step, turn, curvature });
  if (changes.length > memory) changes.shift();
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let j = 0; j < a.length; j++) sum += (a[j] ?? 0) * (b[j] ?? 0);
  return sum;
}

function addScaled(into: Float64Array, x: Float64Array, scale: number): void {
  for (let j = 0; j < into.length; j++) into[j] = (into[j] ?? 0) + scale * (x[j] ?? 0);
}

function largest(x: Float64Array): number {
  let most = 0;
  // Not Math.max alone: NaN has to come through, not a comparison that is false.
  for (const each of x) most = Number.isNaN(each) ? Number.POSITIVE_INFINITY : Math.max(most, Math.abs(each));
  return most;
}
