/** @file Parameters updated together: a large one alone, small ones laid end to end, since each run of a graph has its price. */
import type { Moments, TrainedParameter } from "./adamw";

/** Parameters with fewer elements than this are laid together. */
const smallSize = 2 ** 18;

export class ParameterGroup {
  /** First and second moments of all elements; `momentsOf` are views into them. */
  readonly moments: Moments;
  readonly #members: readonly { name: string; parameter: TrainedParameter; from: number }[];
  readonly #size: number;
  #gradient: Float32Array | null = null;

  constructor(
    /** Whether weight decay applies: to matrices, not to vectors. */
    readonly decays: boolean,
    parameters: readonly (readonly [name: string, parameter: TrainedParameter])[],
  ) {
    let from = 0;
    this.#members = parameters.map(([name, parameter]) => {
      const member = { name, parameter, from };
      from += parameter.values.length;
      return member;
    });
    this.#size = from;
    this.moments = { m: new Float32Array(from), v: new Float32Array(from) };
  }

  /** By parameter name. */
  *momentsOf(): Generator<[name: string, moments: Moments]> {
    const { m, v } = this.moments;
    for (const { name, parameter, from } of this.#members) {
      const to = from + parameter.values.length;
      yield [name, { m: m.subarray(from, to), v: v.subarray(from, to) }];
    }
  }

  /** What was accumulated since `forget`; null when nothing was. */
  get gradient(): Float32Array | null {
    return this.#gradient;
  }

  /** The first gradient is kept, whose array a lone parameter hands over; later ones are added by `addTo`. */
  async accumulate(
    gradientOf: (name: string) => Float32Array,
    addTo: (target: Float32Array, addend: Float32Array) => Promise<void>,
  ): Promise<void> {
    const gradient = this.#lay(({ name }) => gradientOf(name));
    if (this.#gradient === null) this.#gradient = gradient;
    else await addTo(this.#gradient, gradient);
  }

  forget(): void {
    this.#gradient = null;
  }

  /** Calls `update` with all parameters end to end and writes back what it made of them. */
  async update(update: (values: Float32Array) => Promise<void>): Promise<void> {
    const values = this.#lay(({ parameter }) => parameter.values);
    await update(values);
    if (this.#members.length === 1) return;
    for (const { parameter, from } of this.#members)
      parameter.values.set(values.subarray(from, from + parameter.values.length));
  }

  #lay(arrayOf: (member: { name: string; parameter: TrainedParameter }) => Float32Array): Float32Array {
    const [only] = this.#members;
    if (only && this.#members.length === 1) return arrayOf(only);
    const all = new Float32Array(this.#size);
    for (const member of this.#members) all.set(arrayOf(member), member.from);
    return all;
  }
}

export function groupParameters(parameters: ReadonlyMap<string, TrainedParameter>): ParameterGroup[] {
  const isSmall = ({ values }: TrainedParameter) => values.length < smallSize;
  const decays = ({ shape }: TrainedParameter) => shape.length > 1;
  const all = [...parameters];
  const together = [true, false].map(
    (isDecaying) =>
      new ParameterGroup(
        isDecaying,
        all.filter(([, parameter]) => isSmall(parameter) && decays(parameter) === isDecaying),
      ),
  );
  const alone = all.filter(([, parameter]) => !isSmall(parameter));
  return [
    ...together.filter(({ moments }) => moments.m.length > 0),
    ...alone.map((entry) => new ParameterGroup(decays(entry[1]), [entry])),
  ];
}
