/** @file People and invitations, for admins. */
import { z } from "zod";
import { endAllWork, endStreams } from "../auth/open-streams";
import { createInvite, listInvites, revokeInvite } from "../domain/invites";
import type { IssuedLink } from "../domain/one-time-links";
import { issueResetLink } from "../domain/password-reset";
import { changeGrants, changeRole, disablePerson, enablePerson, listPeople } from "../domain/people";
import { type Env, publicUrl } from "../env";
import { grants, roles } from "../permissions";
import { procedure, router } from "../trpc";

const role = z.enum(roles);
const personKey = z.object({ userId: z.uuid() });

export const peopleRouter = router({
  list: procedure("people.read")
    .input(
      z.object({
        search: z.string().max(200).default(""),
        role: role.optional(),
        isDisabled: z.boolean().optional(),
        cursor: z.string().max(200).nullish(),
        limit: z.int().min(1).max(200).default(50),
      }),
    )
    .query(({ ctx, input }) => listPeople(ctx.db, { ...input, cursor: input.cursor ?? null })),

  /** Ends the person's sessions. */
  changeRole: procedure("people.manage")
    .input(personKey.extend({ role }))
    .mutation(async ({ ctx, input }) => {
      await changeRole(ctx.db, { ...input, actorId: ctx.user.id });
      endStreams(input);
    }),

  /** Replaces all grants; ends the person's sessions. */
  changeGrants: procedure("people.manage")
    .input(personKey.extend({ grants: z.array(z.enum(grants)).max(grants.length) }))
    .mutation(async ({ ctx, input }) => {
      await changeGrants(ctx.db, { ...input, actorId: ctx.user.id });
      endStreams(input);
    }),

  /** Ends the person's sessions and running answers, and stops their keys until enabled. */
  disable: procedure("people.manage")
    .input(personKey)
    .mutation(async ({ ctx, input }) => {
      await disablePerson(ctx.db, { ...input, actorId: ctx.user.id });
      endAllWork(input.userId);
    }),

  enable: procedure("people.manage")
    .input(personKey)
    .mutation(({ ctx, input }) => enablePerson(ctx.db, { ...input, actorId: ctx.user.id })),

  /** A link to hand over: shown this once, works once, for 24 hours. */
  issueResetLink: procedure("people.manage")
    .input(personKey)
    .mutation(async ({ ctx, input }) =>
      shown(ctx.env, await issueResetLink(ctx.db, { ...input, actorId: ctx.user.id })),
    ),

  /** Open invites. Their links were shown once. */
  invites: procedure("people.manage").query(({ ctx }) => listInvites(ctx.db)),

  /** A link to hand over: shown this once, makes one account, for 7 days. */
  invite: procedure("people.manage")
    .input(z.object({ email: z.email("This is no e-mail address.").max(200).nullable(), role }))
    .mutation(async ({ ctx, input }) =>
      shown(ctx.env, await createInvite(ctx.db, { ...input, actorId: ctx.user.id })),
    ),

  revokeInvite: procedure("people.manage")
    .input(z.object({ inviteId: z.uuid() }))
    .mutation(({ ctx, input }) => revokeInvite(ctx.db, { ...input, actorId: ctx.user.id })),
});

/** `path` is for the page to put its own origin before; `url` is the configured public address. */
function shown(env: Env, { id, path, expiresAt }: IssuedLink) {
  return { id, path, url: `${publicUrl(env)}${path}`, expiresAt };
}
