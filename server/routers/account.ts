/** @file One's own account. Signing in and out goes through /api/auth (sign-in/email, sign-out), which sets the cookie. */
import { z } from "zod";
import { addressKey, countAgainst } from "../auth/limits";
import { endAllWork, endStreams } from "../auth/open-streams";
import { maxPasswordCharacters, newPasswordSchema } from "../auth/passwords";
import {
  changeEmail,
  deleteAccount,
  listSessions,
  readProfile,
  renameAccount,
  revokeOtherSessions,
  revokeSession,
} from "../domain/account";
import { whenBackupsForget } from "../domain/account-data";
import { changePassword } from "../domain/account-password";
import { createApiKey, listApiKeys, revokeApiKey } from "../domain/api-keys";
import { answerConsent, listConsentEvents } from "../domain/consent";
import { readFeedbackJourney } from "../domain/feedback-journey";
import { answerImports, readImports } from "../domain/histories/import-history";
import { resetPassword } from "../domain/password-reset";
import { signUp } from "../domain/sign-up";
import { procedure, router } from "../trpc";

const name = z.string().trim().min(1, "A name has at least one character.").max(100);
const email = z.email("This is no e-mail address.").max(200);
const token = z.string().min(1).max(200);
/** Checked, not chosen: bounded only. */
const password = z.string().max(maxPasswordCharacters);

export const accountRouter = router({
  /** Makes an account (`token`: of a set-up link or an invite). Sign in afterwards with the same address and password. */
  signUp: procedure("account.open")
    .input(z.object({ name, email, password: newPasswordSchema, token: token.nullable().default(null) }))
    .mutation(async ({ ctx, input }) => {
      await countAgainst("signUpByAddress", addressKey(ctx.address));
      return signUp(ctx.db, input);
    }),

  /** By a reset link. Ends all sessions; sign in afterwards. */
  resetPassword: procedure("account.open")
    .input(z.object({ token, password: newPasswordSchema }))
    .mutation(async ({ ctx, input }) => {
      await countAgainst("signUpByAddress", addressKey(ctx.address));
      endStreams({ userId: await resetPassword(ctx.db, input) });
    }),

  profile: procedure("account.own").query(({ ctx }) => readProfile(ctx.db, ctx.user.id)),

  rename: procedure("account.own")
    .input(z.object({ name }))
    .mutation(({ ctx, input }) => renameAccount(ctx.db, { ...input, userId: ctx.user.id })),

  changeEmail: procedure("account.own")
    .input(z.object({ email, password }))
    .mutation(async ({ ctx, input }) => {
      await countAgainst("passwordByUser", ctx.user.id);
      return changeEmail(ctx.db, { ...input, userId: ctx.user.id });
    }),

  /** Ends every other session. */
  changePassword: procedure("account.own")
    .input(z.object({ currentPassword: password, newPassword: newPasswordSchema }))
    .mutation(async ({ ctx, input }) => {
      await countAgainst("passwordByUser", ctx.user.id);
      await changePassword(ctx.db, { ...input, userId: ctx.user.id, sessionId: ctx.sessionId });
      endStreams({ userId: ctx.user.id, except: ctx.sessionId });
    }),

  sessions: procedure("account.own").query(({ ctx }) =>
    listSessions(ctx.db, { userId: ctx.user.id, sessionId: ctx.sessionId }),
  ),

  revokeSession: procedure("account.own")
    .input(z.object({ sessionId: z.uuid() }))
    .mutation(async ({ ctx, input }) => {
      await revokeSession(ctx.db, { ...input, userId: ctx.user.id });
      endStreams({ userId: ctx.user.id, only: input.sessionId });
    }),

  revokeOtherSessions: procedure("account.own").mutation(async ({ ctx }) => {
    const ended = await revokeOtherSessions(ctx.db, { userId: ctx.user.id, sessionId: ctx.sessionId });
    endStreams({ userId: ctx.user.id, except: ctx.sessionId });
    return { ended };
  }),

  answerConsent: procedure("account.own")
    .input(z.object({ granted: z.boolean() }))
    .mutation(({ ctx, input }) => answerConsent(ctx.db, { ...input, userId: ctx.user.id })),

  /** What became of each piece of one's feedback, newest first. Nothing of who ranked, or of anybody else. */
  feedbackJourney: procedure("account.own")
    .input(z.object({ cursor: z.int().nonnegative().nullish(), limit: z.int().min(1).max(100).default(20) }))
    .query(({ ctx, input }) =>
      readFeedbackJourney(ctx.db, { userId: ctx.user.id, limit: input.limit, cursor: input.cursor ?? 0 }),
    ),

  /** Conversations brought from elsewhere. Bring them: POST /api/account/histories. */
  imports: procedure("account.own").query(({ ctx }) => readImports(ctx.db, ctx.user.id)),

  /** Whether all imported conversations may be used: the account's answer does not hold for them. */
  answerImports: procedure("account.own")
    .input(z.object({ granted: z.boolean() }))
    .mutation(({ ctx, input }) => answerImports(ctx.db, { ...input, userId: ctx.user.id })),

  consentHistory: procedure("account.own").query(({ ctx }) => listConsentEvents(ctx.db, ctx.user.id)),

  apiKeys: procedure("account.own").query(({ ctx }) => listApiKeys(ctx.db, ctx.user.id)),

  /** `key` is shown this once. */
  createApiKey: procedure("account.own")
    .input(z.object({ name: z.string().trim().min(1).max(100), consent: z.boolean().default(false) }))
    .mutation(({ ctx, input }) => createApiKey(ctx.db, { ...input, userId: ctx.user.id })),

  revokeApiKey: procedure("account.own")
    .input(z.object({ apiKeyId: z.uuid() }))
    .mutation(({ ctx, input }) => revokeApiKey(ctx.db, { ...input, userId: ctx.user.id })),

  /** For the page that asks before deleting: until when backups hold what is deleted now; null where none are made. */
  backupsForget: procedure("account.own").query(({ ctx }) => whenBackupsForget(ctx.env)),

  /** For good. `password` is asked again (empty for an account without one). Export: GET /api/account/export. */
  delete: procedure("account.own")
    .input(z.object({ password }))
    .mutation(async ({ ctx, input }) => {
      await countAgainst("passwordByUser", ctx.user.id);
      await deleteAccount(ctx.db, { ...input, userId: ctx.user.id });
      endAllWork(ctx.user.id);
    }),
});
