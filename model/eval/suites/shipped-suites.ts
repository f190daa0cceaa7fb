/** @file The suites that this project has written; each is a folder of model/suites. */
export const shippedSuites = ["word-problems", "reading", "format", "safety", "toxicity"] as const;
