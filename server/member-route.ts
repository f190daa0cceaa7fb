/** @file A plain route for those who have a permission: who asks, whether they may, and refusals as JSON. */
import type { Context, SessionUser } from "./context";
import { AppError, httpStatus, isAppError } from "./errors";
import { isAllowed, type MemberPermission } from "./permissions";
import { createContext } from "./request-context";

type Guard = {
  permission: MemberPermission;
  /** What somebody without it is told. */
  refusal: string;
};

/** An AppError of `answer` becomes its status with `{code, message}`; anything else is thrown on. */
export async function forMembers(
  request: Request,
  { permission, refusal }: Guard,
  answer: (context: Context, user: SessionUser) => Promise<Response>,
): Promise<Response> {
  try {
    const context = await createContext(request.headers);
    if (!context.user) throw new AppError("UNAUTHORIZED", "Sign in to go on.");
    if (!isAllowed(context.user, permission)) throw new AppError("FORBIDDEN", refusal);
    return await answer(context, context.user);
  } catch (error) {
    if (!isAppError(error)) throw error;
    return Response.json({ code: error.code, message: error.message }, { status: httpStatus[error.code] });
  }
}
