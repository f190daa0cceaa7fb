/** @file Progress of the steps of a command: live on a terminal, one plain line per event anywhere else. */

const dots = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const plainProgressEveryMs = 10_000;

/** @typedef {(detail: string) => void} Progress a short present state: "43 %", "12 of 98 MB" */

/** A step that cannot go on: what failed, what is safe, what to do. The last lines of `log` are shown too. */
export class StepFailure extends Error {
  /** @param {{ failed: string, safe?: string, remedy: string, log?: string, cause?: unknown }} facts */
  constructor({ failed, safe = "", remedy, log = "", cause }) {
    super(failed, { cause });
    this.safe = safe;
    this.remedy = remedy;
    this.log = log;
  }
}

/** Runs named steps, several at once if asked, and shows how each is doing and how long it took. */
export class Steps {
  /** @type {Map<string, { startedAt: number, detail: string, toldAt: number }>} */
  #running = new Map();
  #frame = 0;
  /** @type {NodeJS.Timeout | undefined} */
  #timer;
  #isLive = Boolean(process.stdout.isTTY) && process.env.TERM !== "dumb";

  /**
   * @template T
   * @param {string} doing "Installing packages"
   * @param {(progress: Progress) => Promise<T>} work
   * @returns {Promise<T>}
   */
  async run(doing, work) {
    const step = { startedAt: Date.now(), detail: "", toldAt: Date.now() };
    this.#running.set(doing, step);
    if (this.#isLive) this.#startDrawing();
    else this.#print(`  … ${doing}`);
    try {
      const result = await work((detail) => this.#tell(doing, step, detail));
      this.#end(doing, `  ✔ ${doing} · ${seconds(step.startedAt)}`);
      return result;
    } catch (error) {
      this.#end(doing, `  ✖ ${doing} · ${seconds(step.startedAt)}`);
      throw error;
    }
  }

  /** One line that stays. @param {string} line */
  say(line) {
    this.#print(`  ${line}`);
  }

  /**
   * @param {string} doing
   * @param {{ startedAt: number, detail: string, toldAt: number }} step
   * @param {string} detail
   */
  #tell(doing, step, detail) {
    step.detail = detail;
    if (this.#isLive || Date.now() - step.toldAt < plainProgressEveryMs) return;
    step.toldAt = Date.now();
    this.#print(`  … ${doing} · ${detail} · ${seconds(step.startedAt)}`);
  }

  /** @param {string} doing @param {string} line */
  #end(doing, line) {
    this.#running.delete(doing);
    this.#print(line);
    if (this.#running.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #startDrawing() {
    this.#timer ??= setInterval(() => this.#draw(), 100);
    this.#timer.unref();
  }

  #draw() {
    const mark = dots[this.#frame++ % dots.length];
    const line = [...this.#running]
      .map(([doing, { startedAt, detail }]) => `${doing}${detail && ` ${detail}`} ${seconds(startedAt)}`)
      .join(" · ");
    process.stdout.write(`\r\x1b[2K  ${mark} ${line}`.slice(0, (process.stdout.columns || 80) + 5));
  }

  /** @param {string} line */
  #print(line) {
    process.stdout.write(`${this.#isLive ? "\r\x1b[2K" : ""}${line}\n`);
  }
}

/** @param {number} since milliseconds */
const seconds = (since) => `${((Date.now() - since) / 1000).toFixed(1)} s`;

/** Says a failure on the error stream, in the order a person needs it. @param {unknown} error */
export function explain(error) {
  if (!(error instanceof StepFailure)) {
    console.error(`\n${error instanceof Error ? error.stack : error}`);
    return;
  }
  console.error(`\n✖ ${error.message}`);
  if (error.log) console.error(`\n${error.log.replace(/^/gm, "    ")}\n`);
  if (error.safe) console.error(`  Safe: ${error.safe}`);
  console.error(`  To do: ${error.remedy}`);
}
