/** @file Who may do what: the one table that every procedure and route names a row of. */

export const roles = ["user", "labeler", "admin"] as const;
export type Role = (typeof roles)[number];

export const grants = ["labelingLead", "auditor"] as const;
export type Grant = (typeof grants)[number];

export type Rule =
  /** Signed in or not. */
  | { who: "anyone" }
  /** This role and those above it, or anyone with the grant. */
  | { who: "role"; role: Role; grant?: Grant };

const anyone = { who: "anyone" } as const;
const fromRole = <R extends Role>(role: R) => ({ who: "role", role }) as const;
const fromRoleOrGrant = <R extends Role, G extends Grant>(role: R, grant: G) =>
  ({ who: "role", role, grant }) as const;

export const permissions = {
  /** What the sign-in pages must know: the instance's name, whether it is set up, how one gets an account. */
  "instance.read": anyone,
  /** Make an account or choose a new password, by link or by open sign-up. */
  "account.open": anyone,
  /** One's own profile, password, sessions, keys, consent, export and deletion. */
  "account.own": fromRole("user"),
  /** Chat, and everything about one's own conversations. */
  "chat.use": fromRole("user"),
  /** See who has an account. */
  "people.read": fromRoleOrGrant("admin", "labelingLead"),
  /** Invite, change roles and grants, disable, issue reset links. */
  "people.manage": fromRole("admin"),
  "settings.manage": fromRole("admin"),
  /** Checkpoints, channels, engines. */
  "models.manage": fromRole("admin"),
  /** Training runs, their datasets and workers, what they say. */
  "runs.read": fromRole("admin"),
  /** Start and steer runs, make datasets, let workers in. */
  "runs.manage": fromRole("admin"),
  /** Rank, demonstrate, write prompts; see one's own work. */
  "labeling.work": fromRoleOrGrant("labeler", "labelingLead"),
  /** Batches, prompts, guidelines, labelers and their figures, imports and exports of rankings. */
  "labeling.lead": fromRoleOrGrant("admin", "labelingLead"),
  /** Which policy is preferred, by whom, and the texts behind it. */
  "evaluations.read": fromRoleOrGrant("admin", "auditor"),
  /** What is live and was, the evidence, the gates, who decided. */
  "promotion.read": fromRoleOrGrant("admin", "auditor"),
  /** Ask for a promotion, approve, carry out, roll back, freeze, set gates. */
  "promotion.decide": fromRole("admin"),
  "audit.read": fromRoleOrGrant("admin", "auditor"),
} as const satisfies Record<string, Rule>;

export type Permission = keyof typeof permissions;
export type OpenPermission = {
  [P in Permission]: (typeof permissions)[P]["who"] extends "anyone" ? P : never;
}[Permission];
export type MemberPermission = Exclude<Permission, OpenPermission>;

/** Whether a person (null = not signed in) may do what the permission names. */
export function isAllowed(
  person: { role: Role; grants: readonly Grant[] } | null,
  permission: Permission,
): boolean {
  const rule: Rule = permissions[permission];
  if (rule.who === "anyone") return true;
  if (!person) return false;
  if (roles.indexOf(person.role) >= roles.indexOf(rule.role)) return true;
  return rule.grant !== undefined && person.grants.includes(rule.grant);
}
