/** @file A question about the task to the labeling lead; the task stays as it is. */
"use client";

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { Dialog } from "@/app/_components/dialog";
import { TextArea } from "@/app/_components/field";
import { Notice } from "@/app/_components/notice";
import { useToast } from "@/app/_components/toast";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";

export function AskDialog({ taskId, onClose }: { taskId: string; onClose: () => void }) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const toast = useToast();
  const [question, setQuestion] = useState("");
  const asking = useMutation(
    trpc.labeling.ask.mutationOptions({
      onSuccess: async () => {
        toast({ text: "Asked. The answer appears at the top of this page and under “Your work”." });
        onClose();
        await queries.invalidateQueries({ queryKey: trpc.labeling.questions.queryKey() });
      },
    }),
  );
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title="Ask about this task"
      description="Your labeling lead answers. Your draft stays; you can also submit meanwhile. The answer may become an example in the guidelines, without your name."
    >
      <form
        className="space-y-3"
        onSubmit={(event) => {
          event.preventDefault();
          if (question.trim() !== "") asking.mutate({ taskId, question: question.trim() });
        }}
      >
        <TextArea
          label="Question"
          required
          maxLength={5_000}
          value={question}
          onChange={(event) => setQuestion(event.target.value)}
        />
        {asking.error && <Notice tone="error">{errorText(asking.error)}</Notice>}
        <Button type="submit" look="primary" busy={asking.isPending} disabled={question.trim() === ""}>
          Ask
        </Button>
      </form>
    </Dialog>
  );
}
