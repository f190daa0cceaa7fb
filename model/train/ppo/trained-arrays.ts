/** @file Trained weights as sets of arrays: copied, renamed, averaged. */
import type { Trained } from "../training-state";

/** The same arrays by other names. */
export function prefixed(trained: Trained, prefix: string): Trained {
  return new Map([...trained].map(([name, parameter]) => [`${prefix}${name}`, parameter]));
}

export function copyOf(trained: Trained): Trained {
  return new Map([...trained].map(([name, { values, shape }]) => [name, { values: values.slice(), shape }]));
}

/** Into the arrays there are. */
export function overwrite(trained: Trained, by: Trained): void {
  for (const [name, { values }] of trained) values.set(by.get(name)?.values ?? values);
}

/** mean <- decay mean + (1 - decay) now */
export function moveTowards(averaged: Trained, now: Trained, decay: number): void {
  for (const [name, { values }] of averaged) {
    const to = now.get(name)?.values ?? values;
    for (let i = 0; i < values.length; i++) values[i] = decay * (values[i] ?? 0) + (1 - decay) * (to[i] ?? 0);
  }
}
