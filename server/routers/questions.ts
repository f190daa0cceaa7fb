/** @file Labelers' questions about tasks, for the leads who answer them. */
import { z } from "zod";
import {
  answerQuestion,
  countOpenQuestions,
  listQuestions,
  readQuestionTask,
} from "../domain/labeling/answer-questions";
import { procedure, router } from "../trpc";

const lead = procedure("labeling.lead");
const words = (what: string) =>
  z.string().trim().min(1, `${what} is empty.`).max(20_000, `${what} may have 20,000 characters.`);

export const questionsRouter = router({
  countOpen: lead.query(({ ctx }) => countOpenQuestions(ctx.db)),

  /** At most 200. */
  list: lead
    .input(z.object({ state: z.enum(["open", "answered"]).default("open") }).default({ state: "open" }))
    .query(({ ctx, input }) => listQuestions(ctx.db, input.state)),

  /** The task it is about, as whoever asks sees it. */
  task: lead
    .input(z.object({ questionId: z.uuid() }))
    .query(({ ctx, input }) => readQuestionTask(ctx.db, input.questionId)),

  /** Answers it or corrects the answer; with `example` the guidelines get a version that holds it. */
  answer: lead
    .input(
      z.object({
        questionId: z.uuid(),
        answer: words("The answer"),
        basedOn: z.string().nullable().default(null),
        example: z
          .object({ question: words("The example's question"), answer: words("The example's answer") })
          .nullable()
          .default(null),
      }),
    )
    .mutation(({ ctx, input }) => answerQuestion(ctx.db, { ...input, actorId: ctx.user.id })),
});
