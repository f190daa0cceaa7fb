/** @file Roles and grants in words. */
import type { Person } from "@/app/_lib/api-types";

export type Role = Person["role"];
export type Grant = Person["grants"][number];

export const roleNames: Record<Role, string> = { user: "User", labeler: "Labeler", admin: "Admin" };

export const roleTexts: Record<Role, string> = {
  user: "chats and gives feedback",
  labeler: "also ranks answers and writes demonstrations",
  admin: "also manages people, models and settings",
};

export const grantNames: Record<Grant, string> = { labelingLead: "Labeling lead", auditor: "Auditor" };

export const grantTexts: Record<Grant, string> = {
  labelingLead: "leads the labeling: batches, people, review; no models",
  auditor: "reads the audit log and evidence; changes nothing",
};
