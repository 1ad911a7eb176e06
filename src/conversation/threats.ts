import { foldedText } from '../vocabulary/folded-text.ts';
import { spelledOut } from './phone-spelling.ts';

/** Goes to court, to an authority or to the public, or says so. The words are folded and spelled out. */
const THREATS = [
  /\bprocon\b/,
  /\breclame ?aqui\b/,
  /\bconsumidor ?\.? ?gov\b/,
  /\b(juizado|pequenas causas)\b/,
  /\b(vou|vamos|irei|quero|pretendo|posso|ja estou|estou) (te |lhe |a )?(processar|processando)\b/,
  /\b(abr\w+|entr\w+ com|mov\w+|dar? entrada (em|num|com)) (um |uma |o |a )?(processo|acao)\b(?! d[eao]s?\b)/,
  /\b(met(er|o|endo)|lev(ar|am)|tom(ar|am)|tac(ar|o)|sofr(er|em)|botar|cabe|caberia|vai dar|isso da) (um |uns )?(process(o|inho)s?|acao)\b(?! d[eao]s?\b| seletivo)/,
  /\b(met\w+|bot\w+|coloc\w+|por) (\w+ ){0,2}no pau\b/,
  /\b(ou|senao|se nao) (eu )?processo\b(?= voces?\b| a empresa\b| essa\b|[.!?,]|$)/,
  /\b(processo|acao) (judicial|na justica|contra (voces|a empresa|a loja|essa|esta))/,
  /\b(meu|minha|nosso|nossa) advogad[oa]\b/,
  /\b(acion\w+|procur\w+|consult\w+|contrat\w+|fal(ar|ei|o) com|pass(ar|ei) para) (um |uma |o |a |os |meus |nossos )?advogad[oa]s?\b/,
  /\b(vou|vamos|irei|entr\w+|ir|recorr\w+|acion\w+|resolv\w+|vemos|vejo|ve|encontramos|parar|acabar|terminar|levar)\b[^.!?]{0,20}\b(na|a|pela) justica\b/,
  /\b(vemos|veremos|vejo|ve|encontramos|encontro|levar|levo)\b[^.!?]{0,15}\b(no tribunal|(no|com o|ao|do) juiz)\b(?! de fora)/,
  /\b(danos? mora(l|is)|medidas (legais|judiciais|cabiveis)|medida judicial|notificacao extrajudicial)\b/,
  /\b(atras dos|procur\w+|buscar|exijo|exigir|brigar pelos|fazer valer) (os )?meus direitos\b/,
  /\b(conheco|sei) (d?os |bem |bem os |muito bem os )?meus direitos\b(?! d[eao]s?\b)/,
  /\b(codigo de defesa do consumidor|direitos? do consumidor)\b/,
  /\b(reclam\w+|denunci\w+|queixa)\b[^.!?]{0,25}\b(anatel|aneel|ans|anvisa|anac|bacen|banco central|ministerio publico|vigilancia sanitaria|susep)\b/,
  /\b(vou|vamos|irei|terei que|ter que) (te |lhe |os )?denunciar\b/,
  /\b(vou|vamos|irei|estou|ja) (chama\w+|aciona\w+|liga\w* (para|na)|na|ate|indo na) (a )?(policia|delegacia)\b/,
  /\bboletim de ocorrencia\b/,
  /\b(registr\w+|fiz|abri|feito)\b[^.!?]{0,5}\bbo\b|\bbo (registrado|feito|aberto)\b/,
  /\b(vou|irei|fazer|abrir|registrar)\b[^.!?]{0,15}(\bb\.o\b|\bum bo\b|\bdelegacia\b)/,
  /\b(post\w+|public\w+|divulg\w+|espalh\w+|coloc\w+|botar|jogar|cont(ar|o)|video|mostra\w*)\b[^.!?]{0,40}\b(o|tudo) que (voces?|ess[ea]|est[ea]|[ao])( loja| empresa| lugar)? ?(faz\w*|fiz\w+|fez)\b(?![^!?]{0,40}\b(lind|am[aeo]|ador|otim|maravilh|perfeit|parab|top\b))/,
  /\bboca no trombone\b|\bexposed (d[eaoe]|com)\b/,
  /\b(lev\w+|vou|ir|cham\w+|procur\w+|cont\w+|mand\w+)\b[^.!?]{0,12}\b(imprensa(?! oficial)|midia|televisao|reportagem|russomanno|patrulha do consumidor)\b/,
  /\b(acabar com|sujar|queimar|manchar) (o |a )?(nome|imagem|reputacao|filme) d/,
  /\bexpor (voces|a empresa|a loja|esse caso|isso|essa empresa)\b/,
  /\b(sue|suing) (you|your|the company|them|this company)\b/,
  /\bmy (lawyer|attorney|solicitor)\b/,
  /\b(legal action|small claims|consumer protection|see you in court|better business bureau|trading standards)\b/,
  /\bcall(ing)? (the )?(police|cops)\b/,
  /\btak(e|ing) (you|this|them) to court\b/,
  /\bfil(e|ing) a (lawsuit|legal complaint|police report)\b/,
];

/** The same words in peace: a place, a reputation, a job, another kind of process. */
const NOT_THREATS = [
  /\b(perto|lado|frente|proximo|atras|esquina|predio|rua|unidade) (ao |do |da |de |com |o )*procon\b/g,
  /\b(trabalh\w+|sou|funcionari[oa]|atend\w+) (aqui )?(n?o|d?o|pel?o) procon\b/g,
  /\b(nota|avaliad\w+|avaliac(?:ao|oes)|reputacao|selo|elogi\w+|bem no|recomendad\w+)\b[^.!?;]{0,25}\breclame ?aqui\b/g,
  /\b(vi|li|olhei|pesquisei) (no|na|pelo) reclame ?aqui que\b[^.!?;]{0,20}\b(boas?|bons|bom|bem|otim\w+|confia\w+|resolv\w+)\b/g,
  /\b(nao|nem|nunca) (vou|quero|pretendo|penso em|estou) (te |lhe )?process\w+/g,
  /\bprocess(ar|ando) (o |a |os |as |meu |minha |meus |minhas |um |uma |esse |essa )?(pagamento|pedido|compra|nota|boleto|cartao|reembolso|estorno|dados|arquivo|troca|devolucao|pix|documento|imposto|lote|alimentos?)/g,
  /\b(presente|cesta|bolo|lembranca|flores|cartao|caneca|convite) (para|pro|pra|de) (o |um |uma )?(meu |minha )?advogad[oa]\b/g,
  /\b(meu|minha) (advogad[oa]) (indicou|recomendou|gost\w+|ador\w+|tambem)\b/g,
  /\b(livros?|cursos?|aulas?|prova|artigo|apostila|palestra|materia)\b[^.!?;]{0,30}\b(codigo de defesa do consumidor|direitos? do consumidor|pequenas causas|danos? mora\w+)\b/g,
  /\b(rua|avenida|av|praca|palacio|bairro) (d[aeo] )?(justica|advogad[oa]s?|juizado)\b/g,
  /\b(trabalh\w+|perto|lado|frente|proximo) (n?o|ao|do|de|a) ?(do |o )?juizado\b/g,
  /\bmy (lawyer|attorney|solicitor) (recommended|loves|friend)\b/g,
];

/**
 * Whether the customer threatens with law, an authority or the public, without asking a model.
 *
 * As in {@link file://./wants-human.ts}: what means something else is taken out first and not held against the rest.
 */
export function threatens(text: string): boolean {
  return threatensIn(spelledOut(foldedText(text)));
}

/** As {@link threatens}, of a text that is folded and spelled out. */
export function threatensIn(said: string): boolean {
  const rest = NOT_THREATS.reduce((words, pattern) => words.replace(pattern, ' '), said);
  return THREATS.some((pattern) => pattern.test(rest));
}
