/** @file What every part of one task's page is given. */
import type { Dispatch } from "react";
import type { TaskView } from "@/server/domain/labeling/task-schema";
import { letterOf, type TaskAction, type TaskState } from "./task-state";

export type StepProps = { task: TaskView; state: TaskState; dispatch: Dispatch<TaskAction> };

export function textOf({ responses }: TaskView, id: string): string {
  return responses.find((response) => response.id === id)?.text ?? "";
}

export const letter = (state: TaskState, id: string) => letterOf(state.order, id);
