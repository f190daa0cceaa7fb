/** @file The pages beside the chat, and the permission each needs. */
import type { IconName } from "../_components/icon";
import type { Permission } from "./viewer";

type PageLink = { href: string; title: string; icon: IconName; permission: Permission };

const pages: PageLink[] = [
  { href: "/account", title: "Account", icon: "user", permission: "account.own" },
  { href: "/label", title: "Label", icon: "rank", permission: "labeling.work" },
  { href: "/admin/prompts", title: "Prompts", icon: "say", permission: "labeling.lead" },
  { href: "/admin/batches", title: "Batches", icon: "inbox", permission: "labeling.lead" },
  { href: "/admin/questions", title: "Questions", icon: "info", permission: "labeling.lead" },
  { href: "/admin/demonstrations", title: "Demonstrations", icon: "thumbUp", permission: "labeling.lead" },
  { href: "/admin/rankings", title: "Rankings", icon: "swap", permission: "labeling.lead" },
  { href: "/admin/agreement", title: "Agreement", icon: "overlap", permission: "labeling.lead" },
  { href: "/admin/labelers", title: "Labelers", icon: "edit", permission: "labeling.lead" },
  { href: "/admin/qualification", title: "Qualification", icon: "check", permission: "labeling.lead" },
  { href: "/admin/guidelines", title: "Guidelines", icon: "book", permission: "labeling.lead" },
  { href: "/admin/people", title: "People", icon: "people", permission: "people.read" },
  { href: "/admin/models", title: "Models", icon: "layers", permission: "models.manage" },
  { href: "/admin/promotion", title: "Promotion", icon: "arrowUp", permission: "promotion.read" },
  { href: "/admin/reward-models", title: "Reward models", icon: "overlap", permission: "runs.read" },
  { href: "/admin/evaluations", title: "Evaluations", icon: "rank", permission: "evaluations.read" },
  { href: "/admin/cases", title: "Cases and suites", icon: "pin", permission: "evaluations.read" },
  { href: "/admin/runs", title: "Runs", icon: "chart", permission: "runs.read" },
  { href: "/admin/datasets", title: "Datasets", icon: "database", permission: "runs.read" },
  { href: "/admin/workers", title: "Workers", icon: "server", permission: "runs.read" },
  { href: "/admin/notifications", title: "Notifications", icon: "bell", permission: "runs.read" },
  { href: "/admin/settings", title: "Settings", icon: "sliders", permission: "settings.manage" },
  { href: "/admin/audit", title: "Audit log", icon: "list", permission: "audit.read" },
];

/** In this order; what has no title belongs to everybody. */
const groups: { title: string; permissions: Permission[] }[] = [
  { title: "", permissions: ["account.own", "labeling.work"] },
  { title: "Labeling", permissions: ["labeling.lead"] },
  { title: "Training", permissions: ["models.manage", "promotion.read", "runs.read", "evaluations.read"] },
  { title: "Server", permissions: ["people.read", "settings.manage", "audit.read"] },
];

/** Only what a person may open: nobody is shown a door that is locked. */
export function pagesFor(permissions: readonly Permission[]): { title: string; pages: PageLink[] }[] {
  return groups
    .map((group) => ({
      title: group.title,
      pages: pages.filter(
        ({ permission }) => permissions.includes(permission) && group.permissions.includes(permission),
      ),
    }))
    .filter((group) => group.pages.length > 0);
}
