/** @file All procedures of the app. */
import { router } from "../trpc";
import { chatRouter } from "./chat";
import { conversationsRouter } from "./conversations";
import { feedbackRouter } from "./feedback";
import { modelsRouter } from "./models";

export const appRouter = router({
  chat: chatRouter,
  conversations: conversationsRouter,
  feedback: feedbackRouter,
  models: modelsRouter,
});

export type AppRouter = typeof appRouter;
