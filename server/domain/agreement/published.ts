/** @file Agreement that others have published, to be shown beside one's own. */

export type PublishedAgreement = { name: string; share: number; margin: number; source: string };

/** How the margins were computed and what became of ties, the papers do not say. */
export const publishedAgreement: readonly PublishedAgreement[] = [
  {
    name: "InstructGPT, training labelers",
    share: 0.726,
    margin: 0.015,
    source: "Ouyang et al. 2022, arXiv 2203.02155, section 3.4",
  },
  {
    name: "InstructGPT, held-out labelers",
    share: 0.773,
    margin: 0.013,
    source: "Ouyang et al. 2022, arXiv 2203.02155, section 3.4",
  },
  {
    name: "Researchers with each other",
    share: 0.73,
    margin: 0.04,
    source: "Stiennon et al. 2020, as given by Ouyang et al. 2022",
  },
];
