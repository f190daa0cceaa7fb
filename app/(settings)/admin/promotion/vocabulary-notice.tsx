/** @file Says what a candidate of another vocabulary means for the conversations that are stored. */
import { Notice } from "@/app/_components/notice";
import type { PromotionCandidate } from "@/app/_lib/api-types";

type VocabularyNoticeProps = { candidate: PromotionCandidate; liveName: string };

export function VocabularyNotice({ candidate: { name, otherVocabulary }, liveName }: VocabularyNoticeProps) {
  if (!otherVocabulary) return null;
  return (
    <Notice tone="warning" className="mt-3">
      {name} cuts text into other tokens than {liveName}. Conversations go on: they are handed over as text.
      Token ids and log-probabilities of {otherVocabulary.storedAnswers.toLocaleString("en")} stored answers
      stay those of the policies that wrote them and say nothing about {name}; an answer that was cut is
      continued by the policy that began it. Time a token is not comparable between the two, so set the limit
      for the automatic return with that in mind.
    </Notice>
  );
}
