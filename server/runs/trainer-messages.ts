/** @file What the web process and its trainer say to each other over IPC; everything about runs goes by the worker protocol. */

export type ToTrainer =
  | {
      type: "start";
      /** Of the web process, on this machine. */
      url: string;
      token: string;
      /** Inside the data folder. */
      folder: string;
      threads: number;
    }
  /** Save, give the run back, end. */
  | { type: "stop" };

export type FromTrainer =
  /** `hasTrained`: it took a step of a run since it was started. */
  | { type: "state"; isWorking: boolean; hasTrained: boolean; residentBytes: number }
  | { type: "log"; line: string };
