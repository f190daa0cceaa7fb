/** @file A chat server with two admins, an auditor and a user, and checkpoints that could be promoted. */
import type { DatabaseHome } from "@/server/db/open-database";
import { registerCheckpoint } from "@/server/domain/checkpoints";
import { channelSettingsSchema } from "@/server/domain/promotion/channel-settings";
import { type GateName, gateNames } from "@/server/domain/promotion/gates";
import type { Promoting } from "@/server/domain/promotion/promoting";
import { chatServer } from "./chat-server";
import { writeFakeCheckpoint } from "./fake-checkpoint";
import { callerFor, makePerson, testEnv } from "./test-context";

export type PromotionServer = Awaited<ReturnType<typeof promotionServer>>;

/** One per test at a time. */
export async function promotionServer(home?: DatabaseHome) {
  const server = await chatServer(home ? { home } : {});
  const { db, dataFolder } = server;
  const env = testEnv({ ATTUNE_DATA: dataFolder });
  const ada = await makePerson(db, { role: "admin", name: "Ada" });
  const grace = await makePerson(db, { role: "admin", name: "Grace" });
  const auditor = await makePerson(db, { grants: ["auditor"], name: "Audrey" });
  const user = await makePerson(db, { name: "Uma" });
  const promoting: Promoting = { db, chat: server.chat, dataFolder, precision: env.ATTUNE_PRECISION };
  const asAda = callerFor(db, ada, { env });
  return {
    ...server,
    env,
    ada,
    grace,
    promoting,
    asAda,
    asGrace: callerFor(db, grace, { env }),
    asAuditor: callerFor(db, auditor, { env }),
    asUser: callerFor(db, user, { env }),
    newCheckpoint: async (name: string) =>
      registerCheckpoint(db, await writeFakeCheckpoint(dataFolder, name, { stage: "sft" }), dataFolder),
    /** Asks for it with every gate set aside, and carries it out. */
    promote: async (checkpointId: string) => {
      const { requestId } = await asAda.promotion.request({ checkpointId, reason: "better", overrides });
      return asAda.promotion.carryOut({ requestId });
    },
    live: () => server.chat.generation.resolve({ channel: "live" }),
  };
}

/** Nothing is measured on a test server. */
export const overrides = gateNames
  .filter((gate) => gate !== "approval")
  .map((gate: GateName) => ({ gate, reason: "a test" }));

export const canaryOverrides = overrides.filter(({ gate }) => ["regressions", "parity"].includes(gate));

/** The defaults, with the approval of another admin asked for. */
export const withApproval = channelSettingsSchema.parse({ gates: { approval: { isOn: true } } });
