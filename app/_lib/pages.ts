/** @file The pages beside the chat, and the permission each needs. */
import type { IconName } from "../_components/icon";
import type { Permission } from "./viewer";

type PageLink = { href: string; title: string; icon: IconName; permission: Permission };

const pages: PageLink[] = [
  { href: "/account", title: "Account", icon: "user", permission: "account.own" },
  { href: "/label", title: "Label", icon: "rank", permission: "labeling.work" },
  { href: "/admin/prompts", title: "Prompts", icon: "edit", permission: "labeling.lead" },
  { href: "/admin/batches", title: "Batches", icon: "pin", permission: "labeling.lead" },
  { href: "/admin/rankings", title: "Rankings", icon: "database", permission: "labeling.lead" },
  { href: "/admin/agreement", title: "Agreement", icon: "overlap", permission: "labeling.lead" },
  { href: "/admin/labelers", title: "Labelers", icon: "edit", permission: "labeling.lead" },
  { href: "/admin/guidelines", title: "Guidelines", icon: "info", permission: "labeling.lead" },
  { href: "/admin/people", title: "People", icon: "people", permission: "people.read" },
  { href: "/admin/models", title: "Models", icon: "layers", permission: "models.manage" },
  { href: "/admin/reward-models", title: "Reward models", icon: "overlap", permission: "runs.read" },
  { href: "/admin/runs", title: "Runs", icon: "chart", permission: "runs.read" },
  { href: "/admin/datasets", title: "Datasets", icon: "database", permission: "runs.read" },
  { href: "/admin/workers", title: "Workers", icon: "server", permission: "runs.read" },
  { href: "/admin/notifications", title: "Notifications", icon: "bell", permission: "runs.read" },
  { href: "/admin/settings", title: "Settings", icon: "sliders", permission: "settings.manage" },
  { href: "/admin/audit", title: "Audit log", icon: "list", permission: "audit.read" },
];

/** Only what a person may open: nobody is shown a door that is locked. */
export function pagesFor(permissions: readonly Permission[]): PageLink[] {
  return pages.filter(({ permission }) => permissions.includes(permission));
}
