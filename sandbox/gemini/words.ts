/** Words that carry no subject: articles, pronouns, courtesies, and what people wrap a question in. */
const STOP_WORDS = new Set(
  `a o as os um uma uns umas de do da dos das em no na nos nas por pelo pela para pra pro com sem sobre e ou mas que
   se ao aos eu tu voce voces vc vcs ele ela eles elas nos me te lhe meu minha meus minhas seu sua seus suas isso isto
   esse essa este esta aquele aquela ser sou eh sao foi era estar estou esta estao tem ter tenho temos teria ha haver
   vai vou vao ir qual quais quem como quando quanto quantos quantas onde porque pq ja mais muito muita bem so tambem
   nao sim gostaria queria quero saber poderia pode podem posso consigo preciso precisa favor porfavor gentileza me
   diga dizer fala informar informacao duvida ajuda ajudar oi ola opa ei hey bom boa dia tarde noite tudo aqui la
   ai entao ate obrigado obrigada valeu moca moco amigo amiga gente agora hoje fazer faz fazem`.split(/\s+/),
);

/** What customers and documents call by different words. Keys are beginnings of folded words. */
const CONCEPTS: readonly (readonly [RegExp, string])[] = [
  [/^(abre|abri|abert|fech|horari|funciona|expedient)/, '#horario'],
  [/^(preco|valor|cust|quanto|taxa|tarifa)/, '#preco'],
  [/^(entreg|envi|frete|delivery|despach)/, '#entrega'],
  [/^(enderec|onde|fica|localiza|rua|avenida|loja)/, '#lugar'],
  [/^(pag|pix|cartao|cartoes|boleto|dinheiro|parcel)/, '#pagamento'],
  [/^(troca|trocar|devol|reembols|estorn|arrepend)/, '#troca'],
  [/^(marca|agend|consulta|reserv)/, '#agenda'],
  [/^(telefone|contato|email|ligar|liga$)/, '#contato'],
  [/^(garantia|conserto|defeito|quebr|assistencia)/, '#garantia'],
];

export function folded(text: string): string {
  return text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();
}

export function wordsOf(text: string): readonly string[] {
  return folded(text).match(/[a-z0-9]+/g) ?? [];
}

/** The subjects of a text: beginnings of its words, and what those words are about. */
export function subjectsOf(text: string): ReadonlySet<string> {
  const subjects = new Set<string>();
  for (const word of wordsOf(text)) {
    for (const [beginning, concept] of CONCEPTS) if (beginning.test(word)) subjects.add(concept);
    if (!STOP_WORDS.has(word)) subjects.add(stem(word));
  }
  return subjects;
}

/** Cuts a word to what its forms share. Crude, and enough for a stand-in. */
export function stem(word: string): string {
  if (/\d/.test(word)) return word;
  return word.replace(/(oes|aes|s)$/, '').slice(0, 5);
}
