/** @file All procedures of the app. */
import { createCallerFactory, router } from "../trpc";
import { accountRouter } from "./account";
import { auditRouter } from "./audit";
import { chatRouter } from "./chat";
import { conversationsRouter } from "./conversations";
import { feedbackRouter } from "./feedback";
import { instanceRouter } from "./instance";
import { modelsRouter } from "./models";
import { peopleRouter } from "./people";
import { settingsRouter } from "./settings";

export const appRouter = router({
  account: accountRouter,
  audit: auditRouter,
  chat: chatRouter,
  conversations: conversationsRouter,
  feedback: feedbackRouter,
  instance: instanceRouter,
  models: modelsRouter,
  people: peopleRouter,
  settings: settingsRouter,
});

export type AppRouter = typeof appRouter;

/** For server components and tests: `createCaller(await createContext(headers))`. */
export const createCaller = createCallerFactory(appRouter);
