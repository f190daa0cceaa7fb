/** @file Answers the consent question for the whole account, and shows the page as it is afterwards. */
"use client";

import { useMutation } from "@tanstack/react-query";
import { useRouter } from "next/navigation";
import { useToast } from "@/app/_components/toast";
import { errorText } from "./error-text";
import { useTRPC } from "./trpc";

export function useAnswerConsent() {
  const router = useRouter();
  const toast = useToast();
  return useMutation(
    useTRPC().account.answerConsent.mutationOptions({
      onSuccess: () => router.refresh(),
      onError: (error) => toast({ text: errorText(error), isError: true }),
    }),
  );
}
