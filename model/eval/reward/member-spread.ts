/** @file How far the members of an ensemble differ: of one score, and of the margin between two. */
import { normalCdf } from "../normal-distribution";

/** Standard deviation over members, dividing by n - 1. */
export function deviationOf(memberScores: ArrayLike<number>): number {
  return deviationOfValues(memberScores.length, (member) => memberScores[member] ?? Number.NaN);
}

/**
 * Of the difference of two scores. That is what a ranking asks: a member that likes every response to a prompt better than
 * the others do moves both scores, and no margin.
 */
export function marginDeviation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return deviationOfValues(a.length, (member) => (a[member] ?? Number.NaN) - (b[member] ?? Number.NaN));
}

/**
 * The probability that a pair stands in the other order, by the spread of the members alone: Phi(-|margin| / deviation), at
 * most a half. Wide margins come with wide deviations, for both grow with how far two responses lie apart; only their
 * ratio says how sure the order is. 0 where the members do not differ.
 */
export function orderDoubt(margin: number, deviation: number): number {
  return deviation === 0 ? 0 : normalCdf(-Math.abs(margin) / deviation);
}

function deviationOfValues(count: number, scoreOf: (member: number) => number): number {
  let sum = 0;
  for (let member = 0; member < count; member++) sum += scoreOf(member);
  const mean = sum / count;
  let squares = 0;
  for (let member = 0; member < count; member++) squares += (scoreOf(member) - mean) ** 2;
  return Math.sqrt(squares / (count - 1));
}

/** One response's scores by each member, of the scores (R * members) of several, each centred by its own bias. */
export function memberScoresAt(scores: Float32Array, response: number, biases: Float32Array): number[] {
  return Array.from(
    biases,
    (bias, member) => (scores[response * biases.length + member] ?? Number.NaN) + bias,
  );
}
