/** @file What Prometheus may ask: requests, tokens, time to first token, queue, engines, memory. No person, no text. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Answers } from "./generation/answers";
import type { Generation, GenerationObserver } from "./generation/generation";
import type { TrainerStatus } from "./runs/embedded-trainer";

export class Metrics {
  readonly #registry = new Registry();
  readonly #requests = new Counter({
    name: "attune_http_requests_total",
    help: "HTTP requests by area, method and status class",
    labelNames: ["area", "method", "status"],
    registers: [this.#registry],
  });
  readonly #seconds = new Histogram({
    name: "attune_http_request_seconds",
    help: "Time until the response began, by area",
    labelNames: ["area"],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [this.#registry],
  });
  readonly #tokens = new Counter({
    name: "attune_generated_tokens_total",
    help: "Tokens sampled",
    registers: [this.#registry],
  });
  readonly #firstToken = new Histogram({
    name: "attune_first_token_seconds",
    help: "Time from asking to the first token, queue included",
    buckets: [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 60],
    registers: [this.#registry],
  });
  readonly #answers = new Counter({
    name: "attune_answers_total",
    help: "Answers by how they ended",
    labelNames: ["outcome"],
    registers: [this.#registry],
  });

  constructor() {
    collectDefaultMetrics({ register: this.#registry });
  }

  /** Counts what generation does. */
  readonly observer: GenerationObserver = {
    firstToken: (seconds) => this.#firstToken.observe(seconds),
    token: () => this.#tokens.inc(),
    ended: (outcome) => this.#answers.inc({ outcome }),
  };

  /** `seconds` until the response began: a stream stays open as long as its answer takes. */
  observeRequest(request: { path: string; method: string; status: number; seconds: number }): void {
    const area = areaOf(request.path);
    this.#requests.inc({ area, method: request.method, status: `${Math.floor(request.status / 100)}xx` });
    this.#seconds.observe({ area }, request.seconds);
  }

  /** Gauges are read when asked for. */
  watch(generation: Generation, answers: Answers): void {
    const registers = [this.#registry];
    const gauge = (name: string, help: string, read: () => number) =>
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(read());
        },
      });
    const total = (key: "waiting" | "running") =>
      generation.status().reduce((sum, engine) => sum + engine[key], 0);
    gauge("attune_queue_waiting", "Requests that wait for a slot", () => total("waiting"));
    gauge("attune_queue_running", "Requests that generate", () => total("running"));
    gauge("attune_answers_live", "Chat answers in the making", () => answers.count);
    gauge("attune_engine_restarts", "Engine processes restarted", () => generation.restarts);
    new Gauge({
      name: "attune_engine_resident_bytes",
      help: "Resident memory of each engine process",
      labelNames: ["checkpoint"],
      registers,
      collect() {
        this.reset();
        for (const { checkpointId, rssBytes } of generation.status()) {
          this.set({ checkpoint: checkpointId.slice(0, 12) }, rssBytes);
        }
      },
    });
  }

  /** Gauges of the trainer that this process starts. */
  watchTrainer(status: () => TrainerStatus): void {
    const gauges: [string, string, (now: TrainerStatus) => number][] = [
      [
        "attune_trainer_working",
        "1 while the trainer of this machine trains",
        ({ state }) => Number(state === "working"),
      ],
      ["attune_trainer_restarts", "Trainer processes that ended unasked", ({ restarts }) => restarts],
      [
        "attune_trainer_resident_bytes",
        "Resident memory of the trainer's processes",
        ({ residentBytes }) => residentBytes,
      ],
    ];
    for (const [name, help, read] of gauges) {
      new Gauge({
        name,
        help,
        registers: [this.#registry],
        collect() {
          this.set(read(status()));
        },
      });
    }
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }
}

/** Few values, whatever people ask for: a label per path would grow without end. */
function areaOf(path: string): string {
  const area = /^\/api\/(trpc|auth|v1|control|worker|healthz|metrics)(\/|$)/.exec(path)?.[1];
  if (area) return area;
  return path.startsWith("/_next/") ? "assets" : "pages";
}
