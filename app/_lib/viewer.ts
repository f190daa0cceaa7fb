/** @file Who is looking, as pages need to know it. */
import type { Permission } from "@/server/permissions";

export type { Permission };

export type Viewer = {
  id: string;
  name: string;
  email: string;
  /** The account's answer to the consent question. */
  consent: boolean;
  /** Null = not asked yet. */
  consentAnsweredAt: Date | null;
  permissions: Permission[];
};
