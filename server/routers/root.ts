/** @file All procedures of the app. */
import { createCallerFactory, router } from "../trpc";
import { accountRouter } from "./account";
import { agreementRouter } from "./agreement";
import { auditRouter } from "./audit";
import { batchesRouter } from "./batches";
import { casesRouter } from "./cases";
import { chatRouter } from "./chat";
import { conversationsRouter } from "./conversations";
import { datasetsRouter } from "./datasets";
import { demonstrationsRouter } from "./demonstrations";
import { evaluationsRouter } from "./evaluations";
import { exchangeRouter } from "./exchange";
import { feedbackRouter } from "./feedback";
import { guidelinesRouter } from "./guidelines";
import { instanceRouter } from "./instance";
import { labelersRouter } from "./labelers";
import { labelingRouter } from "./labeling";
import { modelsRouter } from "./models";
import { notificationsRouter } from "./notifications";
import { peopleRouter } from "./people";
import { promotionRouter } from "./promotion";
import { promptsRouter } from "./prompts";
import { qualificationRouter } from "./qualification";
import { questionsRouter } from "./questions";
import { rewardModelsRouter } from "./reward-models";
import { runsRouter } from "./runs";
import { settingsRouter } from "./settings";
import { suitesRouter } from "./suites";
import { workersRouter } from "./workers";

export const appRouter = router({
  account: accountRouter,
  agreement: agreementRouter,
  audit: auditRouter,
  batches: batchesRouter,
  cases: casesRouter,
  chat: chatRouter,
  conversations: conversationsRouter,
  datasets: datasetsRouter,
  demonstrations: demonstrationsRouter,
  evaluations: evaluationsRouter,
  exchange: exchangeRouter,
  feedback: feedbackRouter,
  guidelines: guidelinesRouter,
  instance: instanceRouter,
  labeling: labelingRouter,
  labelers: labelersRouter,
  models: modelsRouter,
  notifications: notificationsRouter,
  people: peopleRouter,
  promotion: promotionRouter,
  prompts: promptsRouter,
  questions: questionsRouter,
  qualification: qualificationRouter,
  rewardModels: rewardModelsRouter,
  runs: runsRouter,
  settings: settingsRouter,
  suites: suitesRouter,
  workers: workersRouter,
});

export type AppRouter = typeof appRouter;

/** For server components and tests: `createCaller(await createContext(headers))`. */
export const createCaller = createCallerFactory(appRouter);
