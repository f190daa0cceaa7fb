/** @file A run's name and state, and what can be done to it now. */
"use client";

import Link from "next/link";
import { useState } from "react";
import { Button, IconButton } from "@/app/_components/button";
import { buttonClass } from "@/app/_components/button-class";
import { Icon } from "@/app/_components/icon";
import { Menu, MenuItem } from "@/app/_components/menu";
import type { RunDetail } from "@/app/_lib/api-types";
import { RunStatusBadge } from "../run-status";
import { stageNames } from "../stage-names";
import { CancelDialog } from "./cancel-dialog";
import type { Steer } from "./use-steer";

export function RunHeader({ run, steer }: { run: RunDetail; steer: Steer }) {
  const [isCancelling, setIsCancelling] = useState(false);
  return (
    <>
      <nav aria-label="Way back">
        <Link href="/admin/runs" className="text-small text-muted underline-offset-2 hover:underline">
          Runs
        </Link>
      </nav>
      <div className="flex flex-wrap items-center justify-between gap-3">
        <div className="flex min-w-0 flex-wrap items-baseline gap-x-4 gap-y-1">
          <h1 className="min-w-0 text-title font-semibold">
            <span className="text-muted">Run {run.number}</span> {run.name}
          </h1>
          <span role="status" className="flex items-baseline gap-4">
            <RunStatusBadge status={run.status} />
            <span className="text-small text-muted">{stageNames[run.stage]}</span>
          </span>
        </div>
        <div className="flex flex-wrap items-center gap-2">
          {steer.canPause && (
            <Button busy={steer.isBusy} onClick={steer.pause}>
              <Icon name="pause" size={16} />
              Pause
            </Button>
          )}
          {steer.canResume && (
            <Button look="primary" busy={steer.isBusy} onClick={steer.resume}>
              <Icon name="resume" size={16} />
              {steer.hasErasedRows ? "Resume on what is left" : "Resume"}
            </Button>
          )}
          <Link href={`/admin/runs/new?clone=${run.id}`} className={buttonClass()}>
            <Icon name="copy" size={16} />
            Clone
          </Link>
          {(steer.canCancel || steer.canPrioritise) && (
            <Menu trigger={<IconButton icon="dots" label="More acts on this run" />}>
              {steer.canPrioritise && (
                <>
                  <MenuItem icon="arrowUp" onSelect={() => steer.prioritise(Math.min(100, run.priority + 1))}>
                    Raise its priority to {run.priority + 1}
                  </MenuItem>
                  <MenuItem
                    icon="arrowDown"
                    onSelect={() => steer.prioritise(Math.max(-100, run.priority - 1))}
                  >
                    Lower its priority to {run.priority - 1}
                  </MenuItem>
                </>
              )}
              {steer.canCancel && (
                <MenuItem icon="close" danger onSelect={() => setIsCancelling(true)}>
                  Cancel for good…
                </MenuItem>
              )}
            </Menu>
          )}
        </div>
      </div>
      {isCancelling && <CancelDialog run={run} steer={steer} onClose={() => setIsCancelling(false)} />}
    </>
  );
}
