/** The fictional company of the demo. */
export const DEMO_COMPANY = {
  slug: 'pao-da-vila',
  name: 'Padaria e Confeitaria Pão da Vila',
  locale: 'pt-BR',
  timeZone: 'America/Sao_Paulo',
};
