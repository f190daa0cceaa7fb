/** @file POST /v1/feedback: what a program's user says about an answer, by the completion's id. */
import { and, eq, sql } from "drizzle-orm";
import { z } from "zod";
import { messages } from "@/drizzle/schema";
import { withBoundedBody } from "../auth/request-checks";
import { feedbackTags, giveFeedback } from "../domain/feedback";
import { AppError } from "../errors";
import { ParameterError } from "./api-error";
import type { ApiCall } from "./api-route";
import { maxChoices } from "./chat-request";

const idPrefix = "chatcmpl-";

const bodySchema = z
  .object({
    /** `id` of the completion: "chatcmpl-…". */
    completion_id: z
      .string()
      .startsWith(idPrefix)
      .transform((id) => id.slice(idPrefix.length))
      .pipe(z.uuid("must be the id of a completion")),
    /** Which of its choices. */
    index: z.int().min(0).max(maxChoices).default(0),
    thumb: z.enum(["up", "down"]).nullish(),
    tags: z.array(z.enum(feedbackTags)).max(feedbackTags.length).optional(),
    comment: z.string().max(10_000).optional(),
    correction: z.string().optional(),
  })
  .refine(
    ({ thumb, tags, comment, correction }) => [thumb, tags, comment, correction].some((f) => f !== undefined),
    "must say something: thumb, tags, comment or correction",
  );

/** @throws {AppError} NOT_FOUND for completions that were not stored, or that another key's owner made */
export async function takeFeedback(request: Request, { db, holder }: ApiCall): Promise<Response> {
  const body: unknown = await (await withBoundedBody(request)).json().catch(() => null);
  const parsed = bodySchema.safeParse(body);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const param = issue?.path.join(".") ?? "";
    throw new ParameterError(`${param || "body"} ${issue?.message ?? "does not fit"}`, param || null);
  }
  const { completion_id: questionId, index, thumb, tags, comment, correction } = parsed.data;
  const completion_id = `${idPrefix}${questionId}`;
  const [answer] = await db
    .select({ id: messages.id })
    .from(messages)
    .where(and(eq(messages.parentId, questionId), sql`(${messages.sampling} ->> 'choice')::int = ${index}`));
  if (!answer) {
    throw new AppError(
      "NOT_FOUND",
      `No answer is stored under ${completion_id}, choice ${index}. Only answers to keys that allow use for improvement are.`,
    );
  }
  const given = await giveFeedback(db, {
    messageId: answer.id,
    userId: holder.user.id,
    change: {
      ...(thumb !== undefined && { thumb: thumb === null ? null : thumb === "up" ? 1 : -1 }),
      ...(tags && { tags }),
      ...(comment !== undefined && { comment }),
      ...(correction !== undefined && { correction }),
    },
  });
  return Response.json({
    object: "feedback",
    completion_id,
    index,
    thumb: given.thumb === null ? null : given.thumb === 1 ? "up" : "down",
    tags: given.tags,
    comment: given.comment,
    correction: given.correction,
  });
}
