/**
 * @file The worker protocol: every message between the server and whoever trains, as schemas. docs/worker-protocol.md tells
 * it in words, for workers in other languages.
 */
import { z } from "zod";
import { evalReportSchema } from "@/model/eval/eval-report";
import { transcriptSchema } from "@/model/eval/suites/suite-result";

export const protocolVersion = 1;
/** Header that every request carries; its value is the version in decimal. */
export const protocolHeader = "x-attune-protocol";
/** Header of an uploaded part: sha256 of its bytes, as hex. */
export const partDigestHeader = "x-attune-sha256";
/** Every part of a file but its last has exactly this many bytes. */
export const partBytes = 8 * 1024 * 1024;
/** Largest JSON body. */
export const maxMessageBytes = 4 * 1024 * 1024;
export const maxEventsPerRequest = 1000;
/** How often a worker shows that it lives, as a share of its lease. */
export const heartbeatShare = 1 / 4;

export const stages = ["pretrain", "sft", "reward", "ppo", "eval"] as const;
export type RunStage = (typeof stages)[number];

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "must be a sha256 in lower-case hex");
/** Steps done by then: the first update's metrics carry 1, an evaluation before it 0. */
const step = z.int().nonnegative();
const text = (limit: number) => z.string().max(limit);

/** No absolute path, no `..`, no backslash, nothing hidden. */
export const filePath = z
  .string()
  .max(255)
  .regex(/^(?!.*(^|\/)\.)[\w.-]+(\/[\w.-]+)*$/, "must be a relative path without . or ..");
const fileSchema = z.object({ sha256, sizeBytes: z.int().nonnegative() });
export const filesSchema = z.record(filePath, fileSchema);
export type Files = z.infer<typeof filesSchema>;

/** Of a lease: every message about a run carries it, and a number that is no longer the run's is refused. */
const fencing = z.int().positive();
const lease = z.object({ fencing });

export const capabilitiesSchema = z.object({
  device: z.enum(["cpu", "gpu"]),
  /** Accelerators; 0 on a CPU. */
  deviceCount: z.int().nonnegative().max(100_000).default(0),
  /** What training may use, of the device it trains on. */
  memoryBytes: z.int().positive(),
  /** What a run without a number of its own is given, at most 8. */
  threads: z.int().positive().max(1024),
});
export type Capabilities = z.infer<typeof capabilitiesSchema>;

/** What a run asks of a worker; empty = any. */
export const requirementsSchema = z.strictObject({
  device: z.enum(["cpu", "gpu"]).optional(),
  minMemoryBytes: z.int().positive().optional(),
  /** Only this one. */
  workerId: z.uuid().optional(),
});
export type Requirements = z.infer<typeof requirementsSchema>;

// -- claim -----------------------------------------------------------------------------------------------------------

export const claimRequest = z.object({
  /** Made anew by each process: a claim of another session of the same worker ends the lease of the one before. */
  session: z.uuid(),
  stages: z.array(z.enum(stages)).min(1),
  capabilities: capabilitiesSchema,
  /** Of its program and libraries, by name. */
  versions: z.record(text(60), text(200)).default({}),
});
export type ClaimRequest = z.infer<typeof claimRequest>;

const checkpointOffer = z.object({
  id: sha256,
  name: z.string(),
  step: step.nullable(),
  /** With attune.json and, where a run can go on from it, `state/…`. */
  files: filesSchema,
});
export type CheckpointOffer = z.infer<typeof checkpointOffer>;

const datasetOffer = z.object({
  id: z.uuid(),
  name: z.string(),
  kind: z.enum(["demonstrations", "documents", "rankings", "prompts"]),
  role: z.enum(["data", "pretrainMix"]),
  /** Of its manifest (GET …/hashes); erasing rows does not change it. */
  sha256,
  rowCount: z.int(),
  /** Lines that are empty by now. */
  erasedRows: z.int(),
  /** Of its rows as they are now. */
  sizeBytes: z.int(),
});
export type DatasetOffer = z.infer<typeof datasetOffer>;

export const runOffer = z.object({
  id: z.uuid(),
  number: z.int(),
  name: z.string(),
  stage: z.enum(stages),
  fencing,
  leaseSeconds: z.number(),
  heartbeatSeconds: z.number(),
  /** Number of the next event. */
  nextSequence: z.int().positive(),
  /** The stage's settings without those that name files: model, tokenizer, data, output. `threads` is never null. */
  config: z.record(z.string(), z.unknown()),
  /** What a checkpoint's manifest must say: run, parent, datasetSha256. */
  facts: z.object({ run: z.uuid(), parent: sha256.nullable(), datasetSha256: sha256 }),
  /** Null: nothing to start from, not even a tokenizer. */
  base: checkpointOffer.nullable(),
  /** The base of `base`'s lineage, where `base` is an adapter over another checkpoint: both are needed. */
  lineageBase: checkpointOffer.nullable().default(null),
  /** Of PPO; `judge` only watches. The value function starts as a copy of the first of the role `score`. */
  rewardModels: z
    .array(
      z.object({
        role: z.enum(["score", "judge"]),
        checkpoint: checkpointOffer,
        /** As `lineageBase` is to `base`. */
        lineageBase: checkpointOffer.nullable(),
      }),
    )
    .default([]),
  datasets: z.array(datasetOffer),
  /** Of an evaluation: suites to be measured besides those that `config.suites` names, as folders to be fetched. */
  suites: z.array(z.string()).default([]),
  /** The last checkpoint with a training state; null: start at the beginning. */
  resume: checkpointOffer.nullable(),
  /** The run's best checkpoint, where it is another one: what the run is for may lie behind. Its state is not needed. */
  best: checkpointOffer.nullable().default(null),
});
export type RunOffer = z.infer<typeof runOffer>;

export const claimAnswer = z.object({
  run: runOffer.nullable(),
  /** When to ask again, where there is nothing to do. */
  retryAfterSeconds: z.number(),
});
export type ClaimAnswer = z.infer<typeof claimAnswer>;

// -- while it runs ---------------------------------------------------------------------------------------------------

export const heartbeatRequest = lease.extend({
  step: step.optional(),
  totalSteps: step.optional(),
});
export type HeartbeatRequest = z.infer<typeof heartbeatRequest>;

/** pause: save a checkpoint, upload it, then release. cancel: stop at once, then release. */
export const orders = ["continue", "pause", "cancel"] as const;
export type Order = (typeof orders)[number];

export const heartbeatAnswer = z.object({ order: z.enum(orders), leaseSeconds: z.number() });
export type HeartbeatAnswer = z.infer<typeof heartbeatAnswer>;

export const incidentKinds = [
  "nonFiniteStep",
  "guardRail",
  "diskFull",
  "connectionLost",
  "badData",
  "processKilled",
  "workerLost",
  "workerReplaced",
  "workerStopped",
  "codeFailed",
  "dataErased",
  "other",
] as const;
export type IncidentKind = (typeof incidentKinds)[number];

export const logPayload = z.object({ level: z.enum(["debug", "info", "warn", "error"]), text: text(16_000) });
export const samplePayload = z.object({
  prompt: text(32_000),
  response: text(32_000),
  /** The row the prompt was taken from: erased with it. */
  source: z.object({ datasetId: z.uuid(), position: z.int().nonnegative() }).nullable().default(null),
});
export const incidentPayload = z.object({
  what: z.enum(incidentKinds),
  text: text(4000),
  /** Of a guard rail: which one. */
  rule: text(60).optional(),
});
/** A part of the work between steps that took this long: "load", "evaluate", "save", "upload". */
export const phasePayload = z.object({ name: text(60).min(1), seconds: z.number().nonnegative() });

const mostEpisodes = 64;
/** Of an episode; what comes after them is not shown. */
export const mostEpisodeTokens = 1024;
const perToken = <T extends z.ZodType>(value: T) => z.array(value).max(mostEpisodeTokens);
/** A response of PPO with what was known of it. */
export const episodeSchema = z
  .object({
    prompt: text(8000),
    response: text(16_000),
    score: z.number(),
    /** Of each part of the score, by its name. */
    parts: z.record(text(60), z.number()),
    /** Score as learned, less the KL penalty, summed over the response. */
    reward: z.number(),
    /** Nats from the reference policy, over the response (k3). */
    kl: z.number(),
    /** It ended by itself, and was not cut at the longest length. */
    isEnded: z.boolean(),
    /** One entry a token each: its text, log p, log p - log p of the reference, the value before it. */
    tokens: perToken(text(200)),
    tokenLogprobs: perToken(z.number()).optional(),
    tokenKl: perToken(z.number()),
    tokenValues: perToken(z.number()),
  })
  .refine(
    ({ tokens, tokenKl, tokenValues, tokenLogprobs = tokenKl }) =>
      [tokenKl, tokenValues, tokenLogprobs].every(({ length }) => length === tokens.length),
    "tokens, tokenLogprobs, tokenKl and tokenValues must have one length",
  );
export type ProtocolEpisode = z.infer<typeof episodeSchema>;
export const episodesPayload = z.object({
  episodes: z
    .array(z.object({ episode: episodeSchema, source: samplePayload.shape.source }))
    .min(1)
    .max(mostEpisodes),
});

/** Larger ones are cut; what a figure rests on is read by people. */
export const mostTranscriptCharacters = 16_000;
const mostTranscripts = 200;
const shownText = text(mostTranscriptCharacters);
export const transcriptsPayload = z.object({
  /** Of the first of them, from 0: what is told again under a number replaces what was told before. */
  from: z.int().nonnegative().max(1_000_000),
  transcripts: z
    .array(
      transcriptSchema.extend({
        messages: z
          .array(z.object({ role: z.enum(["system", "user", "assistant"]), content: shownText }))
          .max(100),
        response: shownText,
        expected: shownText,
      }),
    )
    .min(1)
    .max(mostTranscripts),
});
export const evaluationPayload = z.object({ report: evalReportSchema });

/** A part of PPO's score is named after a person's word for it. */
const metricName = z.string().regex(/^([a-z][a-zA-Z0-9]{0,59}|part\.[^\p{Cc}]{1,60})$/u);

const numbered = { sequence: z.int().positive(), step: step.optional() };
export const workerEvent = z.discriminatedUnion("type", [
  z.object({
    ...numbered,
    type: z.literal("metrics"),
    step,
    /** loss, lr, gradientNorm, tokensPerSecond, memoryBytes, validationLoss, gradientSeconds, …; null = not finite. */
    values: z
      .record(metricName, z.number().nullable())
      .refine((values) => Object.keys(values).length <= 128, "at most 128 values a step"),
  }),
  z.object({ ...numbered, type: z.literal("log"), ...logPayload.shape }),
  z.object({ ...numbered, type: z.literal("sample"), ...samplePayload.shape }),
  z.object({ ...numbered, type: z.literal("incident"), ...incidentPayload.shape }),
  z.object({ ...numbered, type: z.literal("phase"), ...phasePayload.shape }),
  /** Of PPO: replaces what was told of that step. */
  z.object({ ...numbered, type: z.literal("episodes"), step, ...episodesPayload.shape }),
  /** Of an evaluation: what was asked and said, and, once that is told, the figures. */
  z.object({ ...numbered, type: z.literal("transcripts"), ...transcriptsPayload.shape }),
  z.object({ ...numbered, type: z.literal("evaluation"), ...evaluationPayload.shape }),
]);
export type WorkerEvent = z.infer<typeof workerEvent>;

export const eventsRequest = lease.extend({
  /** In any order; each number once is kept, and none may be left out. */
  events: z.array(workerEvent).min(1).max(maxEventsPerRequest),
  totalSteps: step.optional(),
});
export type EventsRequest = z.infer<typeof eventsRequest>;

export const eventsAnswer = z.object({
  nextSequence: z.int().positive(),
  stored: z.int(),
  /** Were known already. */
  absorbed: z.int(),
});
export type EventsAnswer = z.infer<typeof eventsAnswer>;

// -- its end ---------------------------------------------------------------------------------------------------------

/**
 * paused: as ordered, or because the run cannot go on without a person (three bad steps in a row, a guard rail) · cancelled: as
 * ordered · stopping: this process ends; the run goes back to the queue.
 */
export const releaseRequest = lease.extend({
  outcome: z.enum(["paused", "cancelled", "stopping"]),
  reason: text(4000).optional(),
});
export type ReleaseRequest = z.infer<typeof releaseRequest>;

export const completeRequest = lease.extend({
  /** The one to use; uploaded before. */
  checkpointId: sha256.nullable(),
  summary: z.record(z.string(), z.unknown()).default({}),
});
export type CompleteRequest = z.infer<typeof completeRequest>;

export const failRequest = lease.extend({
  /**
   * unfit: data, base or settings cannot be used as they are, and the reason says why · code: a fault of the program ·
   * infrastructure: the machine, the network, the disk.
   */
  cause: z.enum(["unfit", "code", "infrastructure"]),
  reason: text(16_000).min(1),
});
export type FailRequest = z.infer<typeof failRequest>;

/** Of release, complete, fail: what the run is now. Sending one of them again is absorbed. */
export const endAnswer = z.object({ status: z.string(), absorbed: z.boolean() });
export type EndAnswer = z.infer<typeof endAnswer>;

// -- a checkpoint comes in -------------------------------------------------------------------------------------------

export const openUploadRequest = lease.extend({
  step,
  isBest: z.boolean().default(false),
  /** attune.json, byte for byte; its sha256 is the checkpoint's id. */
  manifest: text(1_000_000),
  /** Files of the training state, paths beginning with `state/`; empty: none. */
  state: filesSchema.default({}),
  /** Only the embedded worker: a folder of this machine to take the files from, instead of sending them. */
  folder: z.string().max(4096).optional(),
});
export type OpenUploadRequest = z.infer<typeof openUploadRequest>;

export const openUploadAnswer = z.object({
  uploadId: z.uuid(),
  checkpointId: sha256,
  /** True: it is here whole already. */
  isComplete: z.boolean(),
  partBytes: z.int(),
  /** What must still be sent: file → its missing parts. Files that the server has from elsewhere are not in it. */
  missing: z.record(z.string(), z.array(z.int())),
});
export type OpenUploadAnswer = z.infer<typeof openUploadAnswer>;

export const partQuery = z.object({
  file: filePath,
  part: z.coerce.number().int().nonnegative(),
  fencing: z.coerce.number().int().positive(),
});
export const partAnswer = z.object({ absorbed: z.boolean() });

export const completeUploadRequest = lease;
export const completeUploadAnswer = z.object({ checkpointId: sha256 });

// -- refusals --------------------------------------------------------------------------------------------------------

/** What `error.code` says, and what the worker is to do. */
export const refusals = {
  /** Missing, wrong or revoked token: stop. */
  unauthorized: 401,
  /** Another version of this protocol: update the worker or the server. */
  protocolVersion: 426,
  /** Not what the schema says, or not what the run is: a fault of the worker's. */
  invalid: 400,
  tooLarge: 413,
  notFound: 404,
  /** The run is another's or nobody's by now: stop working on it, send nothing more, claim again. */
  leaseLost: 409,
  /** Events are missing: send again from `error.expected`. */
  eventGap: 409,
  /** Bytes are not those of the sha256: send the part or file again. */
  sha256Mismatch: 422,
  /** The upload is not whole: `error.missing` says what to send. */
  incomplete: 409,
  /** Dataset or checkpoint was erased or deleted. */
  gone: 410,
  /** No room for the checkpoint: wait and try again. */
  diskFull: 507,
  tooManyRequests: 429,
  unavailable: 503,
  internal: 500,
} as const;
export type Refusal = keyof typeof refusals;

export const errorAnswer = z.object({
  error: z.looseObject({ code: z.string(), message: z.string() }),
});
