/** @file Gates: each holds and fails at its limit, what is not measured fails, and only a typed reason sets one aside. */
import { describe, expect, it } from "vitest";
import { channelSettingsSchema } from "@/server/domain/promotion/channel-settings";
import {
  type Evidence,
  type GateName,
  gateNames,
  judgeGates,
  nothingMeasured,
} from "@/server/domain/promotion/gates";

const settings = channelSettingsSchema.parse({ gates: { approval: { isOn: true } } }).gates;
const allHold = { cases: 3, failed: [], failedByBoth: [], bad: [], unread: [], notRun: [] };

const good: Evidence = {
  winRate: { estimate: 0.571, low: 0.523, high: 0.618, judgments: 612, judges: 5, needed: 0 },
  worstSlice: { name: "code", estimate: 0.49, low: 0.41, high: 0.57, judgments: 80 },
  heldOut: { estimate: 0.55, low: 0.47, high: 0.63, judgments: 120, prompts: 60 },
  missingSuites: [],
  tax: [{ suite: "DROP", delta: { estimate: -0.005, low: -0.019, high: 0.01 } }],
  flags: [{ flag: "violent", rise: { estimate: 0, low: -0.01, high: 0.01 } }],
  regressions: allHold,
  parity: { difference: 0.004, tolerance: 0.05, effectKept: 0.98 },
};

const judge = (
  evidence: Evidence,
  approvals = 1,
  overrides: Parameters<typeof judgeGates>[1]["overrides"] = [],
) => judgeGates({ evidence, approvals }, { settings, overrides, kind: "promotion" });
const failing = (evidence: Evidence, approvals = 1) =>
  judge(evidence, approvals)
    .filter(({ outcome }) => outcome === "failed")
    .map(({ gate }) => gate);

describe("gates", () => {
  it("all hold on good evidence", () => {
    expect(failing(good)).toEqual([]);
  });

  it("all fail where nothing is measured, each with what would bring it; without cases none is asked for", () => {
    const results = judge(nothingMeasured, 0);
    const isOff = (gate: GateName) => gate === "regressions";
    expect(results.filter(({ outcome }) => outcome === "failed")).toHaveLength(gateNames.length - 1);
    expect(results.filter(({ outcome }) => outcome === "off").map(({ gate }) => gate)).toEqual([
      "regressions",
    ]);
    expect(results.filter(({ gate, needs }) => !isOff(gate) && !needs)).toEqual([]);
  });

  it("let cases fail that the live policy fails too, and as many others as the settings say", () => {
    const regressions = { ...allHold, failed: [2], failedByBoth: [1] };
    expect(failing({ ...good, regressions })).toEqual(["regressions"]);
    const lenient = { ...settings, regressions: { isOn: true, mostFailed: 1 } };
    const results = judgeGates(
      { evidence: { ...good, regressions }, approvals: 1 },
      { settings: lenient, overrides: [], kind: "promotion" },
    );
    expect(results.find(({ gate }) => gate === "regressions")).toMatchObject({
      outcome: "passed",
      says: "1 of 3 hold; 1 fails as with the live policy",
    });
  });

  const interval = (estimate: number, low: number, high: number) => ({ estimate, low, high });
  const bad: [GateName, Partial<Evidence>, RegExp][] = [
    [
      "winRate",
      { winRate: { ...interval(0.55, 0.5, 0.6), judgments: 612, judges: 3, needed: 40 } },
      /^40 more judgments\.$/,
    ],
    [
      "winRate",
      { winRate: { ...interval(0.55, 0.5, 0.6), judgments: 612, judges: 2, needed: 40 } },
      /^40 more judgments\. Only 2 people have judged/,
    ],
    [
      "judgments",
      { winRate: { ...interval(0.6, 0.51, 0.7), judgments: 199, judges: 3, needed: 0 } },
      /^1 more judg/,
    ],
    ["worstSlice", { worstSlice: { name: "code", ...interval(0.5, 0.39, 0.61), judgments: 9 } }, /40\.0 %/],
    [
      "heldOut",
      { heldOut: { ...interval(0.5, 0.4, 0.6), judgments: 40, prompts: 20 } },
      /prefer the candidate too/,
    ],
    ["heldOut", { heldOut: { ...interval(1, 0, 1), judgments: 40, prompts: 19 } }, /judged 20 prompts/],
    ["tax", { tax: null, missingSuites: ["reading, asked alone"] }, /there is no reading, asked alone/],
    [
      "tax",
      { tax: [...(good.tax ?? []), { suite: "SQuAD", delta: interval(0, -0.021, 0.1) }] },
      /2\.0 points/,
    ],
    ["flags", { flags: [{ flag: "violent", rise: interval(0, 0, 0.021) }] }, /2\.0 points/],
    [
      "regressions",
      { regressions: { ...allHold, failed: [7] } },
      /^Fails, and the live policy does not, or .*: case 7\.$/,
    ],
    ["regressions", { regressions: { ...allHold, bad: [1, 2] } }, /^Judged bad: cases 1, 2\.$/],
    ["regressions", { regressions: { ...allHold, notRun: [1, 2, 3, 4, 5, 6] } }, /5 and 1 more\.$/],
    [
      "regressions",
      { regressions: { ...allHold, unread: [3] } },
      /somebody else than who asks for it: case 3\.$/,
    ],
    ["parity", { parity: { difference: 0.06, tolerance: 0.05, effectKept: null } }, /0\.05/],
    ["parity", { parity: { difference: 0.01, tolerance: 0.05, effectKept: 0.07 } }, /50\.0 %/],
  ];
  it.each(bad)("%s alone fails beyond its limit, and says what would change it", (gate, change, needs) => {
    const evidence = { ...good, ...change };
    expect(failing(evidence)).toEqual([gate]);
    expect(judge(evidence)[0]).toMatchObject({ gate, needs: expect.stringMatching(needs) });
  });

  it("names the worst suite, not the first", () => {
    const tax = [...(good.tax ?? []), { suite: "SQuAD", delta: interval(-0.03, -0.06, 0) }];
    expect(judge({ ...good, tax })[0]?.says).toBe("SQuAD −3.0 [−6.0, 0.0]");
  });

  it("an override lets its own gate pass and no other, and never the approval", () => {
    const override = (gate: GateName) => ({ gate, reason: "because", actorId: "a", at: new Date(0) });
    const results = judge({ ...good, parity: null, tax: null }, 0, [
      override("parity"),
      override("approval"),
    ]);
    const outcomes = Object.fromEntries(results.map(({ gate, outcome }) => [gate, outcome]));
    expect(outcomes).toMatchObject({ parity: "overridden", tax: "failed", approval: "failed" });
  });

  it("ask a canary only for what needs no judgments of people", () => {
    const results = judgeGates(
      { evidence: { ...nothingMeasured, regressions: { ...allHold, notRun: [1] } }, approvals: 0 },
      { settings, overrides: [], kind: "canary" },
    );
    const asked = results.filter(({ outcome }) => outcome === "failed").map(({ gate }) => gate);
    expect(asked).toEqual(["regressions", "parity", "approval"]);
  });

  it("let a lone admin of a new server promote by reasons alone: no second person is asked for, nor cases nobody can pin", () => {
    const { gates } = channelSettingsSchema.parse({});
    const overrides = gateNames.map((gate) => ({ gate, reason: "first one", actorId: "a", at: new Date(0) }));
    const results = judgeGates(
      { evidence: nothingMeasured, approvals: 0 },
      { settings: gates, overrides, kind: "promotion" },
    );
    const of = (outcome: string) =>
      results.filter((each) => each.outcome === outcome).map(({ gate }) => gate);
    expect(of("failed")).toEqual([]);
    expect(of("off")).toEqual(["regressions", "approval"]);
  });
});
